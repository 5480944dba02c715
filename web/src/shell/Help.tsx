// The keys, as a dialog.
import { Modal } from '@mantine/core'
import { useReturnFocus } from '../components/focus'
import { NAV } from '../pages'
import s from './shell.module.css'

export default function Help({ close }: { close: () => void }) {
  useReturnFocus(true)
  return (
    <Modal opened onClose={close} title="Keys" centered closeButtonProps={{ 'aria-label': 'Close' }}>
      <dl className={s.keys}>
        <dt><kbd>/</kbd></dt><dd>search on this page</dd>
        {NAV.filter((p) => p.key).map((p) => [<dt key={p.id}><kbd>g</kbd><kbd>{p.key}</kbd></dt>, <dd key={p.id + 'd'}>{p.title}</dd>])}
        <dt><kbd>↑</kbd><kbd>↓</kbd></dt><dd>from row to row in a table</dd>
        <dt><kbd>Enter</kbd></dt><dd>open the row</dd>
        <dt><kbd>?</kbd></dt><dd>this help</dd>
      </dl>
    </Modal>
  )
}
