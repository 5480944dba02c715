"use strict";
// Live numbers of the start page: one WebSocket, dialled again with growing pauses when it breaks.
(function () {
  const by = (id) => document.getElementById(id);
  const put = (id, text) => { by(id).textContent = text; };
  const percent = (v) => (v === null ? "–" : v.toFixed(1) + " %");
  const gb = (u) => (u.total_gb === null ? "" : u.used_gb + " of " + u.total_gb + " GiB");
  const rate = (v) => {
    if (v === null) return "–";
    const units = ["B/s", "KiB/s", "MiB/s", "GiB/s"];
    let i = 0;
    while (v >= 1024 && i < units.length - 1) { v /= 1024; i++; }
    return v.toFixed(i ? 1 : 0) + " " + units[i];
  };
  const state = (text, live) => {
    put("state", text);
    by("state").className = live ? "live" : "";
  };
  let pause = 1000;
  function connect() {
    const url = new URL("/ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const ws = new WebSocket(url);
    ws.onopen = () => { pause = 1000; state("live", true); };
    ws.onmessage = (m) => {
      const f = JSON.parse(m.data);
      put("cpu", percent(f.cpu.usage_percent));
      put("memory", percent(f.memory.percent));
      put("memory-bytes", gb(f.memory));
      put("disk", percent(f.disk.percent));
      put("disk-bytes", gb(f.disk));
      put("network", "↓ " + rate(f.network.receive_bytes_per_second) + " ↑ " + rate(f.network.transmit_bytes_per_second));
      put("load", [f.load.load1, f.load.load5, f.load.load15].map((v) => (v === null ? "–" : v.toFixed(2))).join(" "));
    };
    ws.onclose = () => {
      state("not connected", false);
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, 30000);
    };
  }
  connect();
})();
