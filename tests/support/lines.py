"""A line in each of fifteen languages, for those who need words and no model."""

LINES = (
    "The river rose in the night and the bridge was closed before the morning train.",
    "She read the letter twice, folded it, and said nothing for a long while.",
    "Der Bäcker öffnet um fünf Uhr, wenn die Straße noch leer und dunkel ist.",
    "Les élèves ont planté des arbres derrière l'école, près du vieux mur.",
    "Вечером дети слушали, как бабушка рассказывает о далёком море.",
    "昨日は雨が降ったので、家で本を読んで過ごしました。",
    "市场里有很多新鲜的水果和蔬菜,价格也不贵。",
    "ذهب الصياد إلى البحر قبل شروق الشمس وعاد بسمك كثير.",
    "गाँव के पास एक पुराना पेड़ है जिसके नीचे लोग बैठते हैं।",
    "เมื่อวานนี้ฝนตกหนักจนถนนหน้าบ้านมีน้ำท่วม",
    "Kar yağınca çocuklar okula gitmedi, bütün gün bahçede oynadılar.",
    "어제 시장에서 사과를 샀는데 아주 달고 맛있었다.",
    "Ο παππούς διηγήθηκε μια ιστορία για το παλιό λιμάνι.",
    "הילדים שיחקו בחצר עד שהשמש שקעה מאחורי ההרים.",
    "Kissa nukkui ikkunalaudalla, ja ulkona satoi hiljaa lunta.",
)
