/** The assets of the page, which are part of the program. */
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { launcher } from '../../util/root.js';

export interface Assets {
  /** @throws Error if there is no asset with this name, which is a bug */
  read(name: string): string | Uint8Array;
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' } as const;

export function typeOf(name: string): (typeof TYPES)[keyof typeof TYPES] {
  return TYPES[extname(name) as keyof typeof TYPES];
}

/** Reads the page, and the script and style sheet in `folder`, once each. */
export function pageAssets(folder: string): Assets {
  const known = new Map<string, string | Uint8Array>([['index.html', PAGE]]);
  return {
    read: name => {
      const content = known.get(name) ?? readFileSync(join(folder, name));
      known.set(name, content);
      return content;
    },
  };
}

const PAGE = `<!DOCTYPE html>
<html lang="en" data-launcher="${launcher}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="cellrun">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/dashboard.css">
<title>Experiments</title>
<script src="/dashboard.js" defer></script>
</head>
<body>
<div id="page">
<main>
<h1>Experiments</h1>
<noscript><p>The dashboard needs JavaScript. Without it, <code>${launcher} report DIR</code> writes a page that shows the same.</p></noscript>
</main>
</div>
</body>
</html>
`;
