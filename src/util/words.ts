/** Counts with their nouns: `1 step`, `2 steps`. */
export function counted(
  count: number,
  thing:
    | 'step'
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
    | 'time'
    | 'target'
    | 'row',
): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
