"""Tables of strangers as text: encodings, separators, quotes and headings as spreadsheets and people write them.

What is shown of their names and texts is decided here too, in ``cacara_files.tables.display``.

Every CSV, TSV and Excel file that ``cacara``, ``feedback_db``, ``training`` and ``ui`` take in is read here. This
package is a leaf: it knows none of them.
"""

from cacara_files.tables.cells import quoted, split_rows, trimmed
from cacara_files.tables.display import has_content, shown, words
from cacara_files.tables.encodings import decoded
from cacara_files.tables.errors import TableError
from cacara_files.tables.headings import CONCEPT, ENGLISH, FILE, LANGUAGE, TEXT, Columns, Fields, fold, match
from cacara_files.tables.reader import (
    PREVIEW_ROWS,
    Limits,
    Preview,
    Row,
    Table,
    read_bytes,
    read_file,
    read_text,
    stream,
)
from cacara_files.tables.separators import SEPARATORS, sniffed

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
