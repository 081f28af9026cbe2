/** Escapes text of any origin for Markdown: no table, HTML, link or mention, and on one line. */
export function plainMarkdown(text: string): string {
  const escaped = text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\p{Cc}|\p{Bidi_Control}/gu, '\ufffd')
    .replaceAll(/[\\|`*[\]~#]/g, '\\$&')
    // within a word it is none of emphasis
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_');
  return (
    escaped
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('@', '&#64;')
      // what renderers make links of without any brackets
      .replaceAll('://', '&#58;//')
      .replaceAll(/\bwww\./gi, match => `${match.slice(0, -1)}&#46;`)
  );
}
