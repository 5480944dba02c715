// Budgets of calls to outside APIs: what is used of them, and a form to set one. Nothing is blocked by them.
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { ActionIcon, Button, Group, Modal, TextInput, Tooltip } from '@mantine/core'
import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, reasonOf, type Schemas } from '../../api/client'
import { get as ask, send } from '../../api/rest'
import { CopyAsCurl, CurlMenu } from '../../components/actions'
import { Icon } from '../../components/icons'
import { toast } from '../../components/toasts'
import { Card, EmptyState, ErrorState, Meter, SkeletonRows, Tag } from '../../components/ui'
import { usePhone } from '../../components/values'
import { percent } from '../../format'
import { useAdmin } from '../login/queries'
import { dollars } from './money'
import s from './agents.module.css'

type Budget = Schemas['UsageBudget']

const budgetsQuery = queryOptions({ queryKey: ['api-usage', 'budgets'], queryFn: () => ask<Schemas['UsageBudgets']>('/api/usage/budgets'), refetchInterval: 30_000 })
const pathOf = (api: string) => `/api/usage/budgets/${encodeURIComponent(api)}`
const nameOf = (api: string) => (api === 'total' ? 'all APIs' : api)

/** A number, or what was typed: the server says what is no amount. */
const amount = (text: string) => (text.trim() === '' ? undefined : Number.isFinite(Number(text)) ? Number(text) : text)

function Form({ old, all, apis, onClose }: { old: Budget | null; all: Budget[]; apis: string[]; onClose: () => void }) {
  const client = useQueryClient()
  const form = useRef<HTMLFormElement>(null)
  const [api, setApi] = useState(old?.api ?? (all.some((b) => b.api === 'total') ? '' : 'total'))
  const [daily, setDaily] = useState(String(old?.daily_usd ?? ''))
  const [monthly, setMonthly] = useState(String(old?.monthly_usd ?? ''))
  const set = { method: 'PUT' as const, path: pathOf(api.trim()), body: { daily_usd: amount(daily), monthly_usd: amount(monthly) } }
  const remove = { method: 'DELETE' as const, path: pathOf(api) }
  const save = useMutation({
    mutationFn: (call: typeof set | typeof remove) => send<{ message?: string }>(call),
    onSuccess: (answer, call) => {
      toast.done(call.method === 'PUT' ? `The budget of ${nameOf(api.trim())} was set` : answer.message ?? `The budget of ${nameOf(api)} was removed`)
      void client.invalidateQueries({ queryKey: ['api-usage'] })
      onClose()
    },
  })
  const fields = save.error instanceof ApiError ? save.error.fields : []
  const wrong = (name: string) => fields.filter((f) => f.loc[1] === name).map((f) => f.msg).join('; ') || undefined
  useEffect(() => { // to the first field that is refused: the button that was pressed is disabled while it is busy, and loses the focus
    if (save.error) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [save.error])
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate(set)
  }
  return (
    <form ref={form} className={s.card} onSubmit={submit} noValidate>
      {old ? null : (
        <>
          <TextInput label="API" description="Its name as it is reported; total is all of them" value={api} onChange={(e) => setApi(e.currentTarget.value)} error={wrong('api')} list="budget-apis" data-autofocus />
          <datalist id="budget-apis">{['total', ...apis].map((a) => <option key={a} value={a} />)}</datalist>
        </>
      )}
      <TextInput label="US dollars a day" description="Empty: no limit. Days are those of UTC." inputMode="decimal" value={daily} onChange={(e) => setDaily(e.currentTarget.value)} error={wrong('daily_usd')} data-autofocus={old ? true : undefined} />
      <TextInput label="US dollars a month" description="Empty: no limit" inputMode="decimal" value={monthly} onChange={(e) => setMonthly(e.currentTarget.value)} error={wrong('monthly_usd')} />
      <p className="muted">Nothing is blocked: you are told at 80 % and at 100 %.{!old && all.some((b) => b.api === api.trim().toLowerCase()) ? ' There is a budget of this name; it is replaced.' : ''}{old?.source === 'config' ? ' What is set here wins over the configuration file.' : ''}</p>
      {save.error && !fields.some((f) => ['api', 'daily_usd', 'monthly_usd'].includes(f.loc[1] ?? '')) ? <p role="alert" className={s.wrong}>{reasonOf(save.error)}</p> : null}
      <Group justify="flex-end" gap="xs">
        {old?.source === 'api' ? <Button variant="subtle" color="red" mr="auto" loading={save.isPending && save.variables.method === 'DELETE'} onClick={() => save.mutate(remove)}>Remove</Button> : null}
        {old?.source === 'api' ? <CurlMenu calls={[['setting', set], ['removal', remove]]} /> : <CopyAsCurl call={set} />}
        <Button variant="default" onClick={onClose}>Cancel</Button>
        <Button type="submit" loading={save.isPending && save.variables.method === 'PUT'} disabled={api.trim() === ''}>Save</Button>
      </Group>
    </form>
  )
}

export function Budgets({ apis }: { apis: string[] }) {
  const q = useQuery(budgetsQuery)
  const admin = useAdmin()
  const phone = usePhone()
  const [edited, setEdited] = useState<Budget | 'new' | null>(null)
  const old = edited === 'new' ? null : edited
  return (
    <Card title="Budgets" side={admin ? <Button size="compact-xs" variant="default" onClick={() => setEdited('new')}>Set a budget</Button> : undefined}>
      {q.isError && !q.data ? <ErrorState error={q.error} what="Budgets could not be read" retry={() => void q.refetch()} /> : !q.data ? <SkeletonRows rows={2} /> : q.data.budgets.length === 0 ? (
        <EmptyState title="There are no budgets">{admin ? 'Set one with the button above, or' : 'Set one'} with <code className="mono">controlcenter usage budget total --monthly 60</code>. Nothing is blocked; you are told at 80 % and 100 %.</EmptyState>
      ) : (
        <div className={s.card}>
          {q.data.budgets.map((b) => (
            <div key={b.api} role="group" aria-label={`Budget of ${nameOf(b.api)}`}>
              <div className={s.budget}>
                <b>{b.api === 'total' ? 'All APIs' : b.api}</b>{b.source === 'config' ? <Tag>configuration file</Tag> : null}
                {admin ? <Tooltip label="Change"><ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Change the budget of ${nameOf(b.api)}`} onClick={() => setEdited(b)}><Icon name="settings" size={14} /></ActionIcon></Tooltip> : null}
              </div>
              {b.periods.filter((l) => l.limit_usd).map((l) => (
                <div key={l.period} className={s.period}>
                  <span className="muted num">{l.period}: {dollars(l.spent_usd)} of {dollars(l.limit_usd)} · {percent(l.percent, 0)}</span>
                  <Meter percent={l.percent} label={`Budget of ${b.api}, ${l.period}`} bad={100} />
                </div>
              ))}
              {b.periods.some((l) => l.limit_usd) ? null : <p className="muted">no limit</p>}
            </div>
          ))}
        </div>
      )}
      <Modal opened={edited !== null} onClose={() => setEdited(null)} fullScreen={phone} centered title={old ? `Budget of ${nameOf(old.api)}` : 'Set a budget'} closeButtonProps={{ 'aria-label': 'Close' }}>
        {edited ? <Form key={old?.api ?? ''} old={old} all={q.data?.budgets ?? []} apis={apis} onClose={() => setEdited(null)} /> : null}
      </Modal>
    </Card>
  )
}
