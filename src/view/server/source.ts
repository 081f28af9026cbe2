/** Something that a page can watch: sent as a whole, then as changes. */

export type Update =
  | { readonly kind: 'nothing' }
  /** The document changed in more than `change` can express. */
  | { readonly kind: 'document' }
  | { readonly kind: 'change'; readonly change: object };

export interface Source {
  /** Milliseconds between polls. */
  readonly everyMs: number;
  /** Reads what has changed since the last poll. Rejects if that fails. */
  poll(): Promise<Update>;
  /**
   * The whole document at the last poll.
   * @throws UserError if its files cannot be read
   */
  document(): object;
  close(): void;
}

export const NOTHING: Update = { kind: 'nothing' };
export const DOCUMENT: Update = { kind: 'document' };
