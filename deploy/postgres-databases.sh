#!/bin/sh
# Run by the PostgreSQL container when its data is made: a database and its owner for
# each service. The passwords are read from <SERVICE>_DATABASE_PASSWORD inside psql, so
# that they stand in no command line. Nobody may connect to another's database.
set -eu

for service in accounts coaches booking payments notifications scheduler gateway; do
    variable="$(printf %s "$service" | tr '[:lower:]' '[:upper:]')_DATABASE_PASSWORD"
    if [ -z "$(printenv "$variable")" ]; then
        echo "$variable must be set" >&2
        exit 1
    fi
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
        --set=service="$service" --set=variable="$variable" <<'SQL'
\getenv password :variable
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
\connect :"service"
CREATE EXTENSION IF NOT EXISTS btree_gist;
SQL
done

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
SQL
