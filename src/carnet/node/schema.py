"""The tables of a campus.  Holds no rule of the domain."""

import sqlalchemy as sa

SCHEMA_VERSION = 1

tables = sa.MetaData()

campus = sa.Table(
    "campus",
    tables,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("network", sa.Text, nullable=False),
)
relay = sa.Table(
    "relay",
    tables,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("country", sa.Text, nullable=False),
)
service = sa.Table("service", tables, sa.Column("name", sa.Text, primary_key=True))
allow = sa.Table("allow", tables, sa.Column("network", sa.Text, primary_key=True))
student = sa.Table(
    "student",
    tables,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("student", sa.Text, nullable=False, index=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("issued", sa.Integer, nullable=False),
    sa.Column("expires", sa.Integer, nullable=False),
    sa.Column("revoked", sa.Integer),
)
directory_row = sa.Table(
    "directory",
    tables,
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
)
