/** Numbers of things, as a sentence has them: `1 step`, `2 steps`. */
export function counted(count: number, thing: 'step' | 'epoch' | 'trial' | 'thread' | 'record'): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
