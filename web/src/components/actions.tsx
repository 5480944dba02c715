// What stands around an action: its command line to copy, and a question before what cannot be taken back.
import { useState, type ReactNode } from 'react'
import { ActionIcon, Button, Group, Menu, Modal, Tooltip } from '@mantine/core'
import { curl, type CurlOptions } from '../format'
import { useReturnFocus } from './focus'
import { Icon } from './icons'
import { toast } from './toasts'

export type Call = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'; path: string; body?: unknown
  secret?: boolean // the body has what nobody else should see: the command is copied, but not shown
} & CurlOptions

/** Copies text; outside secure contexts (plain http from another machine) browsers have no clipboard interface, so by selection. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (!done) throw new Error('the browser does not let pages copy')
}

export function copyCurl(call: Call) {
  const line = curl(call.method, location.origin + call.path, call.body, call)
  copyText(line).then(() => toast.done('Command copied', call.secret ? 'It has in it what you typed: take care where it goes.' : line), (e) => toast.failed('The command was not copied', e))
}

/** A button that copies the curl line of an action. */
export function CopyAsCurl({ call, label = 'Copy as curl' }: { call: Call; label?: string }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" aria-label={label} onClick={() => copyCurl(call)}><Icon name="copy" size={16} /></ActionIcon>
    </Tooltip>
  )
}

/** The same as an entry of a menu. */
export const CurlItem = ({ call, children = 'Copy as curl' }: { call: Call; children?: ReactNode }) => (
  <Menu.Item leftSection={<Icon name="copy" size={16} />} onClick={() => copyCurl(call)}>{children}</Menu.Item>
)

export type NamedCall = readonly [name: string, call: Call]

/** Entries for several actions; the names are verbs. */
export const CurlItems = ({ calls }: { calls: readonly NamedCall[] }) => <>{calls.map(([name, call]) => <CurlItem key={name} call={call}>Copy {name} as curl</CurlItem>)}</>

/** A button that copies the curl line of one of several actions. */
export function CurlMenu({ calls, label = 'Copy as curl' }: { calls: readonly NamedCall[]; label?: string }) {
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={label} title={label}><Icon name="copy" size={16} /></ActionIcon></Menu.Target>
      <Menu.Dropdown><CurlItems calls={calls} /></Menu.Dropdown>
    </Menu>
  )
}

export type Question = { title: string; text: ReactNode; confirm: string; danger?: boolean; call?: Call; run: () => Promise<unknown> | void }

/** Asks before it runs. Stays open, with its button busy, until the action has ended. */
export function ConfirmDialog({ question, onClose }: { question: Question | null; onClose: () => void }) {
  const [busy, setBusy] = useState(false)
  useReturnFocus(question !== null)
  const run = async () => {
    if (!question) return
    setBusy(true)
    try {
      await question.run()
    } finally {
      setBusy(false)
      onClose()
    }
  }
  return (
    <Modal opened={question !== null} onClose={onClose} title={question?.title} centered size="sm" closeButtonProps={{ 'aria-label': 'Close' }}>
      <div style={{ marginBottom: 18 }}>{question?.text}</div>
      <Group justify="flex-end" gap="xs">
        {question?.call ? <CopyAsCurl call={question.call} /> : null}
        <Button variant="default" onClick={onClose} disabled={busy}>Cancel</Button>
        <Button color={question?.danger ? 'red' : undefined} onClick={run} loading={busy} data-autofocus>{question?.confirm}</Button>
      </Group>
    </Modal>
  )
}
