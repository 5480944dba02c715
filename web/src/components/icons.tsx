// Our own icons: 20 by 20, strokes of 1.6.
const PATHS = {
  overview: 'M3 10.5 6.5 10.5 8.5 5 11.5 15 13.5 10.5 17 10.5',
  services: 'M3.5 4.5h13v4.5h-13zM3.5 11h13v4.5h-13zM6.2 6.75h.1M6.2 13.25h.1',
  jobs: 'M10 3.2a6.8 6.8 0 1 0 0 13.6 6.8 6.8 0 0 0 0-13.6M10 6.2V10l2.6 1.8',
  processes: 'M4 5h12M4 10h12M4 15h7',
  ports: 'M6.5 3.5v4M13.5 3.5v4M4.5 7.5h11v2.2a5.5 5.5 0 0 1-11 0zM10 15.2V17',
  knowledge: 'M4 4.5c2.2-.7 4.2-.4 6 .9 1.8-1.3 3.8-1.6 6-.9v10.6c-2.2-.7-4.2-.4-6 .9-1.8-1.3-3.8-1.6-6-.9zM10 5.4V16',
  agents: 'M5 7.5h10v8H5zM10 7.5V4.5M8 11.2v.6M12 11.2v.6M3 10.5v2.5M17 10.5v2.5',
  alerts: 'M5.5 13.5V9a4.5 4.5 0 0 1 9 0v4.5l1.2 1.2H4.3zM8.6 17h2.8',
  settings: 'M3.5 6h7M14.5 6h2M3.5 14h2M9.5 14h7M12.5 4v4M7.5 12v4',
  login: 'M9 4H4.5v12H9M8.5 10H17M14 6.8 17.2 10 14 13.2',
  search: 'M8.8 4a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6M12.4 12.4 16.5 16.5',
  sun: 'M10 6.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8M10 2.6v1.4M10 16v1.4M2.6 10H4M16 10h1.4M4.8 4.8l1 1M14.2 14.2l1 1M15.2 4.8l-1 1M5.8 14.2l-1 1',
  moon: 'M16.2 11.8A6.6 6.6 0 0 1 8.2 3.8a6.6 6.6 0 1 0 8 8',
  auto: 'M10 3.4a6.6 6.6 0 1 0 0 13.2zM10 3.4a6.6 6.6 0 0 1 0 13.2',
  help: 'M7.7 7.8a2.4 2.4 0 1 1 3.4 2.2c-.8.4-1.1.8-1.1 1.7M10 14.4v.1M10 3.2a6.8 6.8 0 1 0 0 13.6 6.8 6.8 0 0 0 0-13.6',
  play: 'M6.5 4.5v11l9-5.5z',
  stop: 'M5.5 5.5h9v9h-9z',
  restart: 'M15.6 8.2A6 6 0 1 0 16 11M15.8 4.4v3.9h-3.9',
  more: 'M4.6 10h.1M10 10h.1M15.4 10h.1',
  copy: 'M7 7h9v9H7zM13 7V4H4v9h3',
  check: 'M4 10.5 8 14.5 16 6',
  close: 'M5 5l10 10M15 5 5 15',
  alert: 'M10 3.5 17.2 16H2.8zM10 8.3v3.4M10 13.7v.1',
  inbox: 'M3.5 11 5.5 4.5h9l2 6.5v4.5h-13zM3.5 11h4l1 2h3l1-2h4',
  up: 'M10 15.5v-11M5.5 9 10 4.5 14.5 9',
  down: 'M10 4.5v11M5.5 11l4.5 4.5 4.5-4.5',
  sort: 'M7 8l3-3 3 3M7 12l3 3 3-3',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  logs: 'M4 4h12v12H4zM7 7.5h6M7 10h6M7 12.5h3.5',
  wrap: 'M4 5h12M4 10h10a2.5 2.5 0 0 1 0 5h-3M12.5 13 10.5 15l2 2M4 15h3',
  external: 'M8 4.5H4.5v11h11V12M11 4.5h4.5V9M15.2 4.8 9 11',
  skull: 'M4.5 9.5a5.5 5.5 0 1 1 11 0c0 2-.8 3.2-2 4v2.5h-7V13.500c-1.200-.8-2-2-2-4M8 9.500v.5M12 9.500v.5',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}
