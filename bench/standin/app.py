"""A stand-in for a psutil and FastAPI backend, for bench/exporter.

Three routes, written the way such a backend usually is: each request reads the machine through psutil, in the event loop.
Fields as in docs/api.md, so that the answers compare.
"""

from datetime import datetime, timezone

import psutil
from fastapi import FastAPI, Query

app = FastAPI(title="psutil stand-in")

GIB = 1 << 30


@app.get("/health")
async def health():
    return {"status": "healthy"}


@app.get("/api/system/stats")
async def stats():
    usage = psutil.cpu_percent(interval=0.1)
    freq = psutil.cpu_freq()
    mem = psutil.virtual_memory()
    disk = psutil.disk_usage("/")
    return {
        "success": True,
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "cpu": {
            "usage_percent": usage,
            "usage": usage,
            "count": psutil.cpu_count(),
            "frequency": {
                "current": freq.current if freq else None,
                "min": freq.min if freq else None,
                "max": freq.max if freq else None,
            },
        },
        "memory": {
            "total": mem.total,
            "available": mem.available,
            "used": mem.used,
            "percent": mem.percent,
            "total_gb": round(mem.total / GIB, 2),
            "used_gb": round(mem.used / GIB, 2),
            "available_gb": round(mem.available / GIB, 2),
        },
        "disk": {
            "total": disk.total,
            "used": disk.used,
            "free": disk.free,
            "percent": disk.percent,
            "total_gb": round(disk.total / GIB, 2),
            "used_gb": round(disk.used / GIB, 2),
            "free_gb": round(disk.free / GIB, 2),
        },
    }


@app.get("/api/system/processes")
async def processes():
    rows = []
    for p in psutil.process_iter(["pid", "name", "cpu_percent", "memory_percent", "status"]):
        rows.append(p.info)
    rows.sort(key=lambda r: r["cpu_percent"] or 0.0, reverse=True)
    return {"success": True, "count": len(rows), "processes": rows[:50]}


@app.get("/api/system/ports")
async def ports(start: int = Query(3000, ge=1, le=65535), end: int = Query(9000, ge=1, le=65535)):
    rows, seen, names = [], set(), {}
    for c in psutil.net_connections(kind="inet"):
        if not c.laddr or not start <= c.laddr.port <= end:
            continue
        key = (c.laddr.port, c.pid)
        if key in seen:
            continue
        seen.add(key)
        name = names.get(c.pid)
        if name is None and c.pid:
            try:
                name = names[c.pid] = psutil.Process(c.pid).name()
            except psutil.Error:
                pass
        rows.append(
            {"port": c.laddr.port, "pid": c.pid, "process_name": name, "status": c.status, "address": c.laddr.ip}
        )
    rows.sort(key=lambda r: r["port"])
    return {"success": True, "count": len(rows), "ports": rows}
