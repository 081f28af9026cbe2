/**
 * Escapes untrusted text for Markdown: prevents tables, HTML, links and mentions, and keeps it on
 * one line.
 */
export function plainMarkdown(text: string): string {
  const escaped = text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\p{Cc}|\p{Bidi_Control}/gu, '\ufffd')
    .replaceAll(/[\\|`*[\]~#]/g, '\\$&')
    // underscores within a word are not emphasis
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_');
  return (
    escaped
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('@', '&#64;')
      // renderers turn these into links without any brackets
      .replaceAll('://', '&#58;//')
      .replaceAll(/\bwww\./gi, match => `${match.slice(0, -1)}&#46;`)
  );
}
