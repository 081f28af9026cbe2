/**
 * Writes a document as one self-contained HTML file: it embeds script, style and data, and its
 * policy allows nothing else.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { programFile } from '../util/root.js';
import type { Report } from './document.js';
import { escapeHtml } from './escape.js';
import { essentials } from './essentials.js';

/** The bundled code of the pages. */
export interface PageAssets {
  /** For runs and sweeps. */
  readonly script: string;
  /** For folders of them. */
  readonly indexScript: string;
  readonly style: string;
}

/** Reads the assets that `npm run build` writes beside this module. */
export function readPageAssets(): PageAssets {
  const read = (name: string): string => readFileSync(programFile(`view/${name}`), 'utf8');
  return { script: read('page.js'), indexScript: read('index-page.js'), style: read('page.css') };
}

/** In the head of every page; identifies a report among HTML files. */
export const GENERATOR = '<meta name="generator" content="cellrun">';

/** The HTML; byte-identical for equal documents and assets. */
export function renderPage(report: Report, { script, indexScript, style }: PageAssets): string {
  const code = inScript(report.kind === 'index' ? indexScript : script);
  const policy = [
    "default-src 'none'",
    'img-src data:',
    `script-src ${hashOf(code)}`,
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${GENERATOR}
<link rel="icon" href="data:,">
<title>${escapeHtml(titleOf(report))}</title>
<style>${style}</style>
</head>
<body>
<main>
${essentials(report)}
</main>
<script type="application/json" id="report">${inData(JSON.stringify(report))}</script>
<script>${code}</script>
</body>
</html>
`;
}

function titleOf(report: Report): string {
  switch (report.kind) {
    case 'run':
      return `${report.name} ${report.id}: ${report.state}`;
    case 'sweep':
      return `${report.name} ${report.id}: sweep`;
    case 'index':
      return report.title;
    default:
      return report satisfies never;
  }
}

/** Escapes data so that no text can end the element or start a comment in it. */
function inData(json: string): string {
  return json.replaceAll('<', '\\u003c');
}

/**
 * Checks the same for our own code, where `<` may be an operator: the bundler escapes it in
 * strings.
 */
function inScript(script: string): string {
  if (/<\/script|<!--/i.test(script)) throw new Error('the script of the page contains a closing tag');
  return script;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
}
