"""The peers of the knowledge base's benchmark: SQLite FTS5 and Xapian, as one would use them from Python.

peers.py index fts5|xapian FILES DB          makes an index
peers.py query fts5|xapian DB QUERIES        answers queries, writes times and ranks as JSON
"""
import json
import multiprocessing
import os
import re
import sys
import time

CONFIDENCE = re.compile(r"^\*\*Confidence:\*\* (\d+)%", re.M)
EACH_KIND = 8.0  # seconds at most for the queries of one kind
EIGHT_FOR = 4.0


def documents(root):
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            full = os.path.join(folder, name)
            with open(full, encoding="utf-8", errors="replace") as f:
                text = f.read()
            path = os.path.relpath(full, root)
            parts = path.split(os.sep)
            found = CONFIDENCE.search(text)
            title = text.partition("\n")[0].lstrip("# ")
            yield path, title, text, parts[1], parts[2], int(found.group(1)) / 100 if found else 0.0


class FTS5:
    """Words in a contentless-delete free, plain FTS5 table with prefix indexes; metadata in a table beside it."""

    kinds = ("term", "AND", "phrase", "prefix", "filter + facets")

    def __init__(self, db):
        import sqlite3

        self.c = sqlite3.connect(db)
        self.c.execute("PRAGMA journal_mode=WAL")
        self.c.execute("PRAGMA cache_size=-65536")

    def index(self, root):
        c = self.c
        c.execute("CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize='unicode61', prefix='2 3')")
        c.execute("CREATE TABLE meta(id INTEGER PRIMARY KEY, path TEXT, agent TEXT, category TEXT, confidence REAL)")
        for n, (path, title, text, agent, category, confidence) in enumerate(documents(root), 1):
            c.execute("INSERT INTO docs(rowid, title, body) VALUES(?,?,?)", (n, title, text))
            c.execute("INSERT INTO meta VALUES(?,?,?,?,?)", (n, path, agent, category, confidence))
            if n % 1000 == 0:
                c.commit()
        c.execute("CREATE INDEX meta_agent ON meta(agent, confidence)")
        c.commit()
        c.execute("INSERT INTO docs(docs) VALUES('optimize')")
        c.commit()
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def hits(self, match):
        rows = self.c.execute(
            "SELECT m.path FROM docs JOIN meta m ON m.id = docs.rowid WHERE docs MATCH ? ORDER BY bm25(docs, 2.0, 1.0) LIMIT 10", (match,))
        return [r[0] for r in rows]

    def ask(self, q):
        quoted = ['"%s"' % w for w in q["words"]]
        kind = q["kind"]
        if kind == "phrase":
            return self.hits('"%s"' % " ".join(q["words"]))
        if kind == "prefix":
            return self.hits(quoted[0] + "*")
        if kind == "filter + facets":
            chosen = "FROM docs JOIN meta m ON m.id = docs.rowid WHERE docs MATCH ? AND m.agent = ? AND m.confidence >= ?"
            args = (quoted[0], q["agent"], q["min"])
            hits = [r[0] for r in self.c.execute("SELECT m.path " + chosen + " ORDER BY bm25(docs, 2.0, 1.0) LIMIT 10", args)]
            for column in ("agent", "category"):
                self.c.execute("SELECT m.%s, count(*) %s GROUP BY 1" % (column, chosen), args).fetchall()
            return hits
        return self.hits(" AND ".join(quoted)) or (self.hits(" OR ".join(quoted)) if len(quoted) > 1 else [])


class Xapian:
    """Positions, terms of agents and values for facets; spelling from its own dictionary."""

    kinds = ("term", "AND", "phrase", "prefix", "typo", "filter + facets")

    def __init__(self, db):
        import xapian

        self.x = xapian
        self.db = db
        self.d = None

    def index(self, root):
        x = self.x
        db = x.WritableDatabase(self.db, x.DB_CREATE_OR_OPEN)
        for n, (path, title, text, agent, category, confidence) in enumerate(documents(root), 1):
            doc = x.Document()
            gen = x.TermGenerator()
            gen.set_database(db)
            gen.set_flags(gen.FLAG_SPELLING)
            gen.set_document(doc)
            gen.index_text(title, 2)
            gen.increase_termpos()
            gen.index_text(text)
            doc.add_boolean_term("XA" + agent)
            doc.add_value(0, agent)
            doc.add_value(1, category)
            doc.add_value(2, x.sortable_serialise(confidence))
            doc.set_data(path)
            db.add_document(doc)
            if n % 10000 == 0:
                db.commit()
        db.commit()
        db.close()
        x.Database(self.db).compact(self.db + ".compact")
        import shutil

        shutil.rmtree(self.db)
        os.rename(self.db + ".compact", self.db)

    def open(self):
        if self.d is None:
            x = self.x
            self.d = x.Database(self.db)
            self.p = x.QueryParser()
            self.p.set_database(self.d)
            self.p.set_max_expansion(1024, x.Query.WILDCARD_LIMIT_MOST_FREQUENT)  # as many as ours takes; more are an error by default

    def hits(self, query, spies=()):
        e = self.x.Enquire(self.d)
        e.set_query(query)
        for s in spies:
            e.add_matchspy(s)
        return [m.document.get_data().decode() for m in e.get_mset(0, 10, 100000 if spies else 0)]

    def ask(self, q):
        x, p, kind = self.x, self.p, q["kind"]
        self.open()
        text = " ".join(q["words"])
        p.set_default_op(x.Query.OP_AND)
        if kind == "phrase":
            return self.hits(p.parse_query('"%s"' % text, p.FLAG_PHRASE))
        if kind == "prefix":
            return self.hits(p.parse_query(text + "*", p.FLAG_WILDCARD))
        if kind == "filter + facets":
            query = x.Query(x.Query.OP_FILTER, p.parse_query(text), x.Query(x.Query.OP_AND, x.Query("XA" + q["agent"]), x.Query(x.Query.OP_VALUE_GE, 2, x.sortable_serialise(q["min"]))))
            return self.hits(query, (x.ValueCountMatchSpy(0), x.ValueCountMatchSpy(1)))
        hits = self.hits(p.parse_query(text, 0))
        if hits:
            return hits
        p.parse_query(text, p.FLAG_SPELLING_CORRECTION)
        corrected = p.get_corrected_query_string()
        if corrected:
            corrected = corrected.decode() if isinstance(corrected, bytes) else corrected
            hits = self.hits(p.parse_query(corrected, 0))
        if hits or len(q["words"]) == 1:
            return hits
        p.set_default_op(x.Query.OP_OR)
        return self.hits(p.parse_query(text, 0))


ENGINES = {"fts5": FTS5, "xapian": Xapian}


def client(name, db, queries, first, count):
    e = ENGINES[name](db)
    if hasattr(e, "open"):
        e.open()
    n, i, end = 0, first, time.monotonic() + EIGHT_FOR
    while time.monotonic() < end:
        e.ask(queries[i % len(queries)])
        n, i = n + 1, i + 8
    with count.get_lock():
        count.value += n


def query(name, db, queries):
    start = time.perf_counter()
    e = ENGINES[name](db)
    if hasattr(e, "open"):
        e.open()
    out = {"open": time.perf_counter() - start, "kinds": {}}
    e.ask({"kind": "term", "words": ["the"]})
    spent = {}
    for q in queries:
        kind = q["kind"]
        if kind == "literal" or kind in ("typo",) and kind not in e.kinds or spent.get(kind, 0) > EACH_KIND:
            continue
        r = out["kinds"].setdefault(kind, {"micros": [], "found": 0, "ranks": []})
        start = time.perf_counter()
        hits = e.ask(q)
        took = time.perf_counter() - start
        spent[kind] = spent.get(kind, 0) + took
        r["micros"].append(took * 1e6)
        r["found"] += bool(hits)
        if q.get("want"):
            r["ranks"].append(hits.index(q["want"]) + 1 if q["want"] in hits else 0)
    mixed = [q for q in queries if q["kind"] in e.kinds]
    count = multiprocessing.Value("q", 0)
    start = time.monotonic()
    clients = [multiprocessing.Process(target=client, args=(name, db, mixed, i, count)) for i in range(8)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    out["per_sec"] = count.value / (time.monotonic() - start)
    return out


def main():
    role, name = sys.argv[1:3]
    if role == "index":
        ENGINES[name](sys.argv[4]).index(sys.argv[3])
    else:
        with open(sys.argv[4]) as f:
            queries = json.load(f)
        json.dump(query(name, sys.argv[3], queries), sys.stdout)


main()
