import { Component, type ReactNode } from 'react'
import { Card, ErrorState } from '../components/ui'

/** Keeps the fault of one page from taking the others along. After an update of the server old chunks are gone: loading anew helps. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown }
  static getDerivedStateFromError(error: unknown) {
    return { error }
  }
  override render() {
    if (this.state.error === null) return this.props.children
    return <Card><ErrorState error={this.state.error} what="This page could not be shown" retry={() => location.reload()} /></Card>
  }
}
