// Where messages go, and whether they get there.
import { Button } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { send } from '../../api/rest'
import { CopyAsCurl } from '../../components/actions'
import { toast } from '../../components/toasts'
import { Badge, Card, EmptyState, ErrorState, SkeletonRows, Tag } from '../../components/ui'
import { number } from '../../format'
import { channelsOf } from './queries'
import s from './alerts.module.css'

const testCall = (name: string) => ({ method: 'POST' as const, path: `/api/notify/channels/${encodeURIComponent(name)}/test` })

export function Channels() {
  const q = useQuery(channelsOf)
  const client = useQueryClient()
  const test = useMutation({
    mutationFn: (name: string) => send<{ message: string }>(testCall(name)),
    onSuccess: (a) => toast.done('The channel took the message', a.message),
    onError: (e, name) => toast.failed(`${name}: the test message was not taken`, e),
    onSettled: () => client.invalidateQueries({ queryKey: ['notify'] }),
  })
  return (
    <Card label="Channels" flush>
      {q.isError && !q.data ? <ErrorState error={q.error} what="Channels could not be read" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={3} height={22} /> : q.data.channels.length === 0 ? (
        <EmptyState icon="alerts" title="Alerts are told to nobody yet">Name a channel under <code className="mono">notify.channels</code> in the configuration: a webhook, a chat, an Alertmanager or a mail relay.</EmptyState>
      ) : (
        <ul className={s.list}>
          {q.data.channels.map((c) => (
            <li key={c.name}>
              <span className={s.grow}>
                <b>{c.name}</b>
                <small className="mono">{c.url}</small>
                <span className={s.facts}>
                  <Tag>{c.kind}</Tag>
                  <span>from {c.min_severity || 'info'} up</span>
                  {c.services?.length ? <span>services {c.services.join(', ')}</span> : null}
                  {c.rules?.length ? <span>rules {c.rules.join(', ')}</span> : null}
                  {c.resolved ? <span>also tells of ends</span> : null}
                  {c.signed ? <span>signed</span> : null}
                </span>
                {c.last_error ? <small className={s.bad}>{c.last_error}</small> : null}
              </span>
              {c.pending > 0 ? <Badge tone={c.last_error ? 'bad' : 'busy'}>{number(c.pending)} waiting</Badge> : null}
              <CopyAsCurl call={testCall(c.name)} label={`Copy test of ${c.name} as curl`} />
              <Button size="xs" variant="default" loading={test.isPending && test.variables === c.name} disabled={test.isPending} onClick={() => test.mutate(c.name)} aria-label={`Send a test to ${c.name}`}>Send a test</Button>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
