;(function () {
  // React makes some errors while it is loaded; each has the engine read the source once more for the places in it. main.tsx ends that.
  Error.stackTraceLimit = 0
  var s = null
  try { s = localStorage.getItem('controlcenter-theme') } catch (e) { /* storage is switched off */ }
  if (s !== 'light' && s !== 'dark') s = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
  document.documentElement.setAttribute('data-mantine-color-scheme', s)
  var pages = PAGES // path of each, its files, what it asks the server for
  var asks = EVERYWHERE
  pages.forEach(function (page) {
    if (!new RegExp('^' + page[0] + '/?$').test(location.pathname)) return
    asks = asks.concat(page[2])
    page[1].forEach(function (file) {
      var l = document.createElement('link')
      if (/\.css$/.test(file)) l.rel = 'preload', l.as = 'style'
      else l.rel = 'modulepreload'
      l.crossOrigin = '' // as the script asks for them, or they would be loaded twice
      l.href = '/' + file
      document.head.appendChild(l)
    })
  })
  if (location.hash.slice(0, 6) === '#code=') return // that is taken first: till then the server would refuse
  window.ccAsked = {}
  asks.forEach(function (path) {
    var answer = fetch(path, { headers: { Accept: 'application/json' }, priority: 'low' }) // after the scripts
    answer.catch(function () { /* who takes it asks again */ })
    window.ccAsked[path] = answer
  })
  var got = []
  var socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/api/live')
  socket.onmessage = function (e) { got.push(e) }
  window.ccSocket = { socket: socket, got: got }
})()
