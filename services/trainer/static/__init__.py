"""Static vectors of sub-words: word2vec and GloVe, on the streams of masked-language-model pretraining."""
