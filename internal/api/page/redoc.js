"use strict";
Redoc.init("/openapi.json", { disableSearch: true, hideLoading: true, nativeScrollbars: true,
  theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" } } } },
document.getElementById("redoc"));
