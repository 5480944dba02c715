;(function () {
  var s = null
  try { s = localStorage.getItem('controlcenter-theme') } catch (e) { /* storage is switched off */ }
  if (s !== 'light' && s !== 'dark') s = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
  document.documentElement.setAttribute('data-mantine-color-scheme', s)
})()
