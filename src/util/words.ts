/** Counts with their nouns: `1 step`, `2 steps`. */
export function counted(
  count: number,
  thing:
    | 'step'
    | 'missing step'
    | 'feature'
    | 'update'
    | 'epoch'
    | 'trial'
    | 'thread'
    | 'record'
    | 'run'
    | 'pair'
    | 'kill'
    | 'line'
    | 'more line'
    | 'more warning'
    | 'more damaged place'
    | 'sequence'
    | 'training sequence'
    | 'gate'
    | 'node'
    | 'kernel'
    | 'source'
    | 'evaluation'
    | 'number'
    | 'positive number'
    | 'weight'
    | 'label'
    | 'time'
    | 'target'
    | 'row'
    | 'more row'
    | 'month'
    | 'workday'
    | 'day'
    | 'hour'
    | 'minute'
    | 'second'
    | 'millisecond',
): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** Replaces line breaks and control characters, which could drive the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/(?!\t)\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}
