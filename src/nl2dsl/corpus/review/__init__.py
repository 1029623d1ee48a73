"""People review a corpus: rows by uncertainty, a page on loopback, decisions that are only ever added, agreement, and the corpus with the decisions applied.

    rows ─ sampling ─ session ─ server ─▶ page          decisions (SQLite, PostgreSQL) ─ agreement ─ export ─▶ rows, card

In: a corpus file or folder. Out: a table of decisions; a corpus file and its card. `docs/review.md` is the page for people.
"""
