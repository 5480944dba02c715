;(function () {
  var s = null
  try { s = localStorage.getItem('controlcenter-theme') } catch (e) { /* storage is switched off */ }
  if (s !== 'light' && s !== 'dark') s = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
  document.documentElement.setAttribute('data-mantine-color-scheme', s)
  var pages = PAGES // path and files of each
  pages.forEach(function (page) {
    if (new RegExp('^' + page[0] + '/?$').test(location.pathname)) page[1].forEach(function (file) {
      var l = document.createElement('link')
      if (/\.css$/.test(file)) l.rel = 'preload', l.as = 'style'
      else l.rel = 'modulepreload'
      l.crossOrigin = '' // as the script asks for them, or they would be loaded twice
      l.href = '/' + file
      document.head.appendChild(l)
    })
  })
})()
