/** What a page can watch: something that is given whole, and then by what has changed of it. */

export type News =
  | { readonly kind: 'nothing' }
  /** The document has changed in more than `change` could say. */
  | { readonly kind: 'document' }
  | { readonly kind: 'change'; readonly change: object };

export interface Source {
  /** Between two looks at the files. */
  readonly everyMs: number;
  /** Looks at the files: what has come since the last look. Throws where that fails. */
  look(): Promise<News>;
  /** The whole as of the last look. Throws UserError where its files cannot be read. */
  document(): object;
  close(): void;
}

export const NOTHING: News = { kind: 'nothing' };
export const DOCUMENT: News = { kind: 'document' };
