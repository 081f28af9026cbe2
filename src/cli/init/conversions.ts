/**
 * Formats of archives as JSON Lines: CoNLL-U of treebanks, and `.ts` of the UCR and UEA archives.
 */
import { damagedError } from '../../util/errors.js';

/** Words and tags of each sentence. Words of several tokens and empty nodes are left out. */
export function fromConllu(text: string, file: string): string {
  const sentences = text.replaceAll('\r\n', '\n').split(/\n\s*\n/);
  let line = 1;
  const records = sentences.flatMap(sentence => {
    const words: string[] = [];
    const tags: [universal: string, own: string][] = [];
    let id: string | undefined;
    for (const [i, row] of sentence.split('\n').entries()) {
      id ??= /^# sent_id = (.+)$/.exec(row)?.[1].trim();
      if (row.startsWith('#') || row.trim() === '') continue;
      const fields = row.split('\t');
      if (fields.length !== 10) throw damaged(`a word of CoNLL-U has 10 fields`, file, line + i, row);
      if (!/^\d+$/.test(fields[0])) continue;
      words.push(fields[1]);
      tags.push([fields[3], fields[4]]);
    }
    line += sentence.split('\n').length + 1;
    return words.length === 0 ? [] : [{ id, words, tags }];
  });
  const isTagged = (which: number) => records.some(({ tags }) => tags.some(tag => tag[which] !== '_'));
  const which = isTagged(0) ? 0 : 1;
  return jsonl(
    records.map(({ id, words, tags }) => ({
      id,
      words,
      tags: tags.map(tag => (tag[which] === '_' ? null : tag[which])),
    })),
  );
}

/** Steps and class or number of each case. */
export function fromTs(text: string, file: string): string {
  const lines = text.split(/\r?\n/);
  const start = lines.findIndex(line => /^@data\b/i.test(line.trim()));
  const header = new Map(
    lines.slice(0, Math.max(0, start)).flatMap(line => {
      const [, key, value] = /^@(\w+)\s+(.*)$/.exec(line.trim()) ?? [];
      return key === undefined ? [] : [[key.toLowerCase(), value.trim()] as const];
    }),
  );
  if (start < 0) throw damaged('the file has no line @data', file, 1, lines[0]);
  const isTrue = (key: string) => /^true\b/i.test(header.get(key) ?? '');
  if (isTrue('timestamps'))
    throw damaged('steps with times of their own cannot be read', file, 1, '@timeStamps true');
  const name = isTrue('classlabel') ? 'class' : isTrue('targetlabel') ? 'value' : undefined;
  if (name === undefined)
    throw damaged('the cases have no class and no number', file, 1, '@classLabel false');
  const records = lines.slice(start + 1).flatMap((line, i) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const parts = line.trim().split(':');
    const label = parts.pop() ?? '';
    const dimensions = parts.map(part =>
      part.split(',').map(cell => (/^(\?|nan)$/i.test(cell.trim()) ? null : Number(cell))),
    );
    const isWhole = dimensions.every(
      values => values.length === dimensions[0].length && !values.some(Number.isNaN),
    );
    if (dimensions.length === 0 || !isWhole)
      throw damaged(
        'the dimensions of a case differ in length, or are no numbers',
        file,
        start + 2 + i,
        line,
      );
    const steps = dimensions[0].map((_, step) => dimensions.map(values => values[step]));
    return [{ steps, [name]: name === 'class' ? label : Number(label) }];
  });
  return jsonl(records);
}

function jsonl(records: readonly object[]): string {
  return records.map(record => `${JSON.stringify(record)}\n`).join('');
}

function damaged(message: string, file: string, line: number, source: string) {
  return damagedError('init/format', message, {
    file,
    line,
    column: 1,
    length: Math.max(1, source.length),
    source: source.slice(0, 200),
  });
}
