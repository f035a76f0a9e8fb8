"""Languages that the text encoder was trained on."""

from __future__ import annotations

ENCODER_SOURCE = (
    "XLM-RoBERTa’s pre-training on CommonCrawl in 100 languages, seven of them second spellings of another "
    "(Conneau et al. 2020, arXiv 1911.02116, and its model card); multilingual-e5 goes on from there"
)
# The languages of that model card; the encoder's vocabulary was made on the same texts.
TRAINED_ON = frozenset(
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my nb ne nl om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th fil tr ug uk ur uz vi xh yi zh".split()
)
