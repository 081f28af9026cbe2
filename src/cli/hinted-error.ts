/** An error whose reader is to be told what can be done about it. */
export class HintedError extends Error {
  /** `hint` is a line with its end, said after what `cause` says. */
  constructor(
    override readonly cause: unknown,
    readonly hint: string,
  ) {
    super('see its cause', { cause });
  }
}
