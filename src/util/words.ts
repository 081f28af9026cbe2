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

/** Text as a word of a shell. */
export function quoted(path: string): string {
  // line breaks would split the line, and other control characters could drive the terminal
  if (/\p{Cc}/u.test(path)) {
    const escaped = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
    return `$'${path.replaceAll(/[\\']/g, '\\$&').replaceAll(/\p{Cc}/gu, escaped)}'`;
  }
  return /^[\w./+:@=,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
