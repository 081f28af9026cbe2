/** The recordings of a dataset, and what the names of their files say about them. */
import { resolve, sep } from 'node:path';
import type { Problems } from '../core/problems.js';
import { shortNames } from '../reading/files.js';

export interface Recording {
  readonly file: string;
  /** Its name in predictions. */
  readonly id: string;
  /** For problems. */
  readonly place: { readonly file: string };
  valueOf(column: string): string | undefined;
}

/** Fields in braces, with text between them. */
export const NAME_PATTERN = '^[^{}]*\\{[^{}]+\\}([^{}]+\\{[^{}]+\\})*[^{}]*$';

/** What the names of files say, by a pattern such as `{label}_{speaker}_{take}`. */
export class NamePattern {
  readonly fields: readonly string[];
  private readonly expression: RegExp;
  /** Number of parts of a path that the pattern describes. */
  private readonly depth: number;

  constructor(readonly text: string) {
    const parts = text.split(/\{([^{}]+)\}/);
    const texts = parts.filter((_, i) => i % 2 === 0);
    this.fields = parts.filter((_, i) => i % 2 === 1);
    this.depth = text.split('/').length;
    // no name can be read in two ways
    const outside = ['/', ...texts.flatMap(one => one.split('/')).filter(one => one !== '')];
    const field = `((?:(?!${outside.map(literal).join('|')})[^])+)`;
    this.expression = new RegExp(`^${texts.map(literal).join(field)}$`);
  }

  /** Returns the value of each field in the name of `file`; undefined if it has another form. */
  match(file: string): ReadonlyMap<string, string> | undefined {
    const path = resolve(file).split(sep).slice(-this.depth).join('/');
    const found = this.expression.exec(path.replace(/\.\w+(?:\.gz)?$/, ''));
    return found ? new Map(this.fields.map((field, i) => [field, found[i + 1]])) : undefined;
  }
}

function literal(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}

/** The recordings of `files`; those with other names are problems. */
export function fileRecordings(
  files: readonly string[],
  pattern: NamePattern,
  problems: Problems,
): Recording[] {
  const names = shortNames(files);
  return files.flatMap(file => {
    const values = pattern.match(file);
    const place = { file };
    if (values) return [{ file, id: names.get(file) ?? file, place, valueOf: name => values.get(name) }];
    const message = 'the name of the file does not match the pattern';
    problems.add({ code: 'data/audio-name', message, ...place, expected: pattern.text });
    return [];
  });
}
