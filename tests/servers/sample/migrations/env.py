from sqlalchemy import MetaData

from shared.migrations import run

run(MetaData())
