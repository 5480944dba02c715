// Asks before what hurts others: a service that others need, a kill.
import { useState } from 'react'
import type { Service } from '../../api/client'
import type { Question } from '../../components/actions'
import { callOf, useAction, type Verb } from './actions'

/** Whether it runs or is about to. */
export const up = (x: Service) => x.status === 'running' || x.status === 'starting'

export function useAsk(list: readonly Service[] | null | undefined) {
  const action = useAction()
  const [question, setQuestion] = useState<Question | null>(null)
  const ask = (x: Service, verb: Verb) => {
    const needed = (list ?? []).filter((o) => up(o) && o.depends_on?.includes(x.name)).map((o) => o.display_name)
    const run = (cascade: boolean) => action.mutateAsync({ service: x, verb, cascade }).catch(() => {}) // the message tells
    if ((verb === 'stop' || verb === 'kill') && needed.length > 0) {
      setQuestion({ title: `${verb === 'stop' ? 'Stop' : 'Kill'} ${x.display_name}?`, text: `${needed.join(', ')} need${needed.length === 1 ? 's' : ''} it and will be stopped first.`, confirm: 'Stop all of them', danger: true, call: callOf(x.name, verb, true), run: () => run(true) })
    } else if (verb === 'kill') {
      setQuestion({ title: `Kill ${x.display_name}?`, text: 'All its processes end at once, without a chance to save anything.', confirm: 'Kill', danger: true, call: callOf(x.name, verb), run: () => run(false) })
    } else void run(false)
  }
  return { ask, question, setQuestion }
}
