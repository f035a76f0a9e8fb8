"""Tables of strangers as text: encodings, separators, quotes and headings as spreadsheets and people write them.

What is shown of their names and texts is decided here too, in ``tables.display``.

Every CSV, TSV and Excel file that ``cacara``, ``feedback_db``, ``training`` and ``ui`` take in is read here. This
package is a leaf: it knows none of them.
"""

from tables.cells import quoted, split_rows, trimmed
from tables.display import has_content, shown, words
from tables.encodings import decoded
from tables.errors import TableError
from tables.headings import CONCEPT, ENGLISH, FILE, LANGUAGE, TEXT, Columns, Fields, fold, match
from tables.reader import PREVIEW_ROWS, Limits, Preview, Row, Table, read_bytes, read_file, read_text, stream
from tables.separators import SEPARATORS, sniffed

__all__ = [
    "CONCEPT",
    "ENGLISH",
    "FILE",
    "LANGUAGE",
    "PREVIEW_ROWS",
    "SEPARATORS",
    "TEXT",
    "Columns",
    "Fields",
    "Limits",
    "Preview",
    "Row",
    "Table",
    "TableError",
    "decoded",
    "fold",
    "has_content",
    "match",
    "quoted",
    "read_bytes",
    "read_file",
    "read_text",
    "shown",
    "sniffed",
    "split_rows",
    "stream",
    "trimmed",
    "words",
]
