"""What came of an evening, for people: a page, a picture, a table.  Values in, text out."""
