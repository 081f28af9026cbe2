/** Checks the rows of arrays while their file is read from start to end. */

export type NumberArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** An array in a file. */
export interface StoredRows {
  /** Offset of its header in the file. */
  readonly start: number;
  /** Offset of its values after `start`. */
  readonly dataOffset: number;
  /** Size including the header. */
  readonly bytes: number;
  readonly shape: readonly number[];
  readonly itemSize: number;
  decode(bytes: Uint8Array): NumberArray;
}

/** A check of an array's rows, run while the file is read from start to end. */
export interface RowCheck {
  readonly array: StoredRows;
  /** Called for each row in order, until it returns false. */
  row(values: NumberArray, bytes: Uint8Array, index: number): boolean;
}

/** Number of bytes of a row: an element along the first dimension. */
export function rowBytes({ shape, itemSize }: Pick<StoredRows, 'shape' | 'itemSize'>): number {
  return shape.slice(1).reduce((product, size) => product * size, itemSize);
}

/** Passes the rows of a file's arrays to their checks. Chunks must arrive in order. */
export class RowFeed {
  private readonly rows: {
    readonly check: RowCheck;
    readonly carry: Buffer;
    held: number;
    index: number;
    isOver: boolean;
  }[];

  constructor(checks: readonly RowCheck[]) {
    this.rows = checks.map(check => ({
      check,
      carry: Buffer.allocUnsafe(rowBytes(check.array)),
      held: 0,
      index: 0,
      isOver: false,
    }));
  }

  piece(bytes: Buffer, from: number): void {
    for (const state of this.rows) {
      const { array } = state.check;
      const first = array.start + array.dataOffset;
      const end = array.start + array.bytes;
      const own = bytes.subarray(Math.max(0, first - from), Math.max(0, Math.min(bytes.length, end - from)));
      if (!state.isOver && own.length > 0) this.feed(state, own);
    }
  }

  private feed(state: RowFeed['rows'][number], bytes: Buffer): void {
    const { check, carry } = state;
    const tell = (row: Buffer): void => {
      if (!check.row(check.array.decode(row), row, state.index++)) state.isOver = true;
    };
    let at = 0;
    if (state.held > 0) {
      at = bytes.copy(carry, state.held, 0, carry.length - state.held);
      state.held += at;
      if (state.held < carry.length) return;
      tell(carry);
      state.held = 0;
    }
    for (; at + carry.length <= bytes.length && !state.isOver; at += carry.length)
      tell(bytes.subarray(at, at + carry.length));
    if (!state.isOver) state.held = bytes.copy(carry, 0, at);
  }
}
