"""Words of many languages and what they mean in English, without holding the words themselves."""

from cacara.lexicon.personal_words import PersonalWord, PersonalWords
from cacara.lexicon.reader import LexiconReader, Reading, WordReading
from cacara.lexicon.table import LexiconTable

__all__ = ["LexiconReader", "LexiconTable", "PersonalWord", "PersonalWords", "Reading", "WordReading"]
