"""Float64 references written from the formulas, by other routes than the source takes."""

import numpy as np


def hsic1(gram_x, gram_y):
    """Song et al. 2012, equation 5, from whole Gram matrices with their diagonals set to zero."""
    n = len(gram_x)
    k, l = gram_x.copy(), gram_y.copy()  # noqa: E741
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(l, 0.0)
    one = np.ones(n)
    trace = np.sum(k * l)  # both are symmetric
    sums = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    cross = 2.0 / (n - 2) * (one @ (k @ (l @ one)))
    return (trace + sums - cross) / (n * (n - 3))


def grams(x, y):
    """Gram matrices of the centred rows."""
    sides = []
    for given in (x, y):
        rows = np.asarray(given, np.longdouble)
        rows = (rows - rows.mean(0)).astype(float)
        sides.append(rows @ rows.T)
    return sides


def debiased_cka(x, y):
    return debiased_cka_of_grams(*grams(x, y))


def debiased_cka_of_grams(k, l):  # noqa: E741
    return hsic1(k, l) / np.sqrt(hsic1(k, k) * hsic1(l, l))


def biased_cka(x, y):
    """From centred Gram matrices: tr(KHLH)."""
    return biased_cka_of_grams(*grams(x, y))


def biased_cka_of_grams(k, l):  # noqa: E741
    return np.vdot(k, l) / np.sqrt(np.vdot(k, k) * np.vdot(l, l))


def debiased_cka_by_sums(x, y):
    """The streamed form of definitions.md, term by term, for n of which no Gram matrix can be had.

    tr(K~L~) = |X'Y|_F^2 - S(kl), 1'K~1 = |s_x|^2 - S(k), 1'K~L~1 = s_x'(X'Y)s_y - s_x'S(xl) - s_y'S(yk) + S(kl). Rows
    are moved near their mean, not onto it, so that no sum vanishes; the sums are added up in long doubles.
    """
    n = len(x)
    sides = []
    for given in (x, y):
        rows = np.asarray(given, np.longdouble)
        rows = rows - rows[:: max(n // 50, 1)].mean(0)
        sides.append((rows, (rows * rows).sum(1)))

    def hsic(one, two):
        (a, k), (b, l) = one, two  # noqa: E741
        product = np.stack([(column[:, None] * b).sum(0) for column in a.T])
        s_a, s_b, s_kl = a.sum(0), b.sum(0), (k * l).sum()
        trace = (product**2).sum() - s_kl
        sums = ((s_a**2).sum() - k.sum()) * ((s_b**2).sum() - l.sum())
        cross = (
            (s_a[:, None] * product * s_b).sum() - s_a @ (l[:, None] * a).sum(0) - s_b @ (k[:, None] * b).sum(0) + s_kl
        )
        return trace + sums / ((n - 1) * (n - 2)) - 2 * cross / (n - 2)

    left, right = sides
    return float(hsic(left, right) / np.sqrt(hsic(left, left) * hsic(right, right)))


def svcca(x, y, variance=0.99):
    """SVD of the centred data, QR of what is kept, SVD of the product."""
    kept = []
    for given in (x, y):
        rows = np.asarray(given, float)
        u, s, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
        share = np.cumsum(s**2) / np.sum(s**2)
        k = int(np.argmax(share >= variance * (1 - 1e-12))) + 1
        k = min(k, int(np.sum(s > max(rows.shape) * np.finfo(float).eps * s[0])))
        kept.append(np.linalg.qr(u[:, :k] * s[:k])[0])
    rho = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False)
    return float(np.mean(np.minimum(rho, 1.0))), kept[0].shape[1], kept[1].shape[1]


def rbf_cka(x, y, without=None):
    """From whole matrices of distances, debiased and biased; a row may be left out at the bandwidth of all."""
    grams = []
    for given in (x, y):
        rows = np.asarray(given, np.longdouble)
        distances = np.array([((rows - row) ** 2).sum(1) for row in rows]).astype(float)
        grams.append(np.exp(-distances / (2 * np.median(distances[distances != 0]))))
    if without is not None:
        grams = [np.delete(np.delete(gram, without, 0), without, 1) for gram in grams]
    k, l = grams  # noqa: E741
    centre = np.eye(len(k)) - 1.0 / len(k)
    kc, lc = centre @ k @ centre, centre @ l @ centre
    biased = np.sum(kc * lc) / np.sqrt(np.sum(kc * kc) * np.sum(lc * lc))
    return float(hsic1(k, l) / np.sqrt(hsic1(k, k) * hsic1(l, l))), float(biased)


def pwcca(x, y, variance=0.99):
    """Weights from the variates of whole rows: alpha_i = sum_j |<h_i, x_j>|."""
    kept = []
    for given in (x, y):
        rows = np.asarray(given, float)
        u, s, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
        share = np.cumsum(s**2) / np.sum(s**2)
        kept.append(u[:, : int(np.argmax(share >= variance * (1 - 1e-12))) + 1])
    u, rho, _ = np.linalg.svd(kept[0].T @ kept[1], full_matrices=False)
    variates = kept[0] @ u
    centred = np.asarray(x, float) - np.asarray(x, float).mean(0)
    alpha = np.array([sum(abs(h @ column) for column in centred.T) for h in variates.T])
    return float(np.sum(alpha * np.minimum(rho, 1.0)) / alpha.sum())


def procrustes(x, y):
    """The residual of the fitted map itself, on centred rows of norm 1 that are padded to equal widths."""
    sides = []
    for given in (x, y):
        rows = np.asarray(given, np.longdouble)
        rows = (rows - rows.mean(0)).astype(float)
        rows = rows / np.linalg.norm(rows)
        sides.append(np.pad(rows, ((0, 0), (0, max(x.shape[1], y.shape[1]) - rows.shape[1]))))
    u, _, v = np.linalg.svd(sides[0].T @ sides[1])
    return float(np.linalg.norm(sides[0] @ u @ v - sides[1]))


def neuron_correlation(x, y):
    return float(np.mean([np.corrcoef(x[:, j], y[:, j])[0, 1] for j in range(x.shape[1])]))


def cosines(x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    return np.array([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(x, y, strict=True)])


def ranks(x, y, k=10, centre=False):
    """Brute force over the whole matrix of scores, ties to the worst rank. By similarity: forward, backward."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if centre:
        x, y = x - x.mean(0), y - y.mean(0)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    cosine = x @ y.T
    found = {"cosine": cosine}
    if len(x) >= k:
        mean_t = np.partition(cosine, -k, axis=1)[:, -k:].mean(axis=1)
        mean_s = np.partition(cosine, -k, axis=0)[-k:].mean(axis=0)
        found["csls"] = 2 * cosine - mean_t[:, None] - mean_s
    answer = {}
    for name, scores in found.items():
        gold = np.diag(scores)
        answer[name] = (
            np.sum(scores >= gold[:, None] - 1e-11, axis=1),
            np.sum(scores >= gold[None, :] - 1e-11, axis=0),
        )
    return answer


def related(rng, n, p, q, *, rank=6, noise=1.0):
    """Two views of n items that share a few directions."""
    shared = rng.standard_normal((n, rank))
    x = shared @ rng.standard_normal((rank, p)) + noise * rng.standard_normal((n, p))
    y = shared @ rng.standard_normal((rank, q)) + noise * rng.standard_normal((n, q))
    return x, y
