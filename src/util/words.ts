/** A count with its noun, whose plural must be regular: `1 step`, `2 steps`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const MAX_LISTED = 8;

/** The first names of a list, and how many follow. */
export function listed(names: readonly string[], most = MAX_LISTED): string {
  const first = names.slice(0, most).join(', ');
  return names.length > most ? `${first} and ${names.length - most} more` : first;
}

/** Replaces line breaks and control characters, which could drive the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/(?!\t)\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}
