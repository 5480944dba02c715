// A bounded buffer of columns for curves. The newest `capacity` points always lie side by side in memory, so a view is a
// subarray and costs nothing: points are written at the end of an array of twice the length, and when it is full the newer
// half moves to the front.
export class Ring {
  readonly capacity: number
  private readonly columns: Float64Array[]
  private end = 0
  private count = 0

  constructor(capacity: number, columns: number) {
    this.capacity = capacity
    this.columns = Array.from({ length: columns }, () => new Float64Array(2 * capacity))
  }

  get length() {
    return this.count
  }

  get width() {
    return this.columns.length
  }

  /** Appends one point; null and undefined are gaps (NaN). */
  push(values: ArrayLike<number | null | undefined>) {
    if (this.end === 2 * this.capacity) {
      for (const c of this.columns) c.copyWithin(0, this.capacity)
      this.end = this.capacity
    }
    for (let i = 0; i < this.columns.length; i++) this.columns[i]![this.end] = values[i] ?? NaN
    this.end++
    this.count = Math.min(this.count + 1, this.capacity)
  }

  clear() {
    this.end = this.count = 0
  }

  /** One column, oldest first. Valid until the next push. */
  column(i: number): Float64Array {
    return this.columns[i]!.subarray(this.end - this.count, this.end)
  }

  /** The newest value of a column; NaN when there is none. */
  last(i: number): number {
    return this.count === 0 ? NaN : this.columns[i]![this.end - 1]!
  }

  /** Bytes held, whatever was pushed. */
  get bytes() {
    return this.columns.reduce((n, c) => n + c.byteLength, 0)
  }
}
