/** Numbers of things, as a sentence has them. */

/** `1 step`, `2 steps`. */
export function stepsInWords(count: number): string {
  return `${count} ${count === 1 ? 'step' : 'steps'}`;
}
