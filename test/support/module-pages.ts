/** Exported modules in browsers, each in a page and in a worker of it. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SequenceValues } from '../../src/index.js';
import { chromiumMissing, firefoxMissing, openFirefox, openPage, startChromium } from './browser.js';
import type { Workplace } from './cli.js';
import { distance } from './prediction-cases.js';

export interface PageModule {
  readonly name: string;
  readonly file: string;
  readonly sequences: readonly SequenceValues[];
  /** The predictions of the run. */
  readonly expected: unknown;
}

/** How to open an address, and why a browser cannot. */
export const BROWSERS = {
  Chromium: {
    missing: chromiumMissing(),
    async open(url: string) {
      const browser = await startChromium();
      await openPage(browser, url);
      return () => browser.close();
    },
  },
  Firefox: {
    missing: firefoxMissing(),
    open: async (url: string, work: Workplace) => openFirefox(url, work.folder()),
  },
} as const;

export type BrowserName = keyof typeof BROWSERS;

/** As far as hosts that fuse multiplications and those that do not are apart. */
const TOLERANCE = 1e-5;

/** What modules in a browser predict that their runs do not. */
export async function differencesIn(
  name: BrowserName,
  work: Workplace,
  modules: readonly PageModule[],
): Promise<string[]> {
  const compute = modules.map(
    ({ sequences }, i) =>
      `found[${i}] = []; for await (const one of (await import('./${i}.js')).predictMany(${JSON.stringify(sequences)})) found[${i}].push(one);`,
  );
  const code = `const found = []; ${compute.join('\n')}`;
  const files: Readonly<Record<string, readonly [type: string, content: string | Buffer]>> = {
    '/': ['text/html', '<!doctype html><title>modules</title><script type="module" src="page.js"></script>'],
    '/page.js': [
      'text/javascript',
      `const told = (async () => { ${code} return found; })();
       const inWorker = new Promise((resolve, reject) => Object.assign(new Worker('/worker.js', { type: 'module' }), {
         onmessage: ({ data }) => resolve(data), onerror: ({ message }) => reject(new Error(message)) }));
       const body = await Promise.all([told, inWorker]).catch(error => String(error));
       fetch('/found', { method: 'POST', body: JSON.stringify({ body, isolated: typeof SharedArrayBuffer }) });`,
    ],
    '/worker.js': ['text/javascript', `${code} postMessage(found);`],
    ...Object.fromEntries(
      modules.map(({ file }, i) => [`/${i}.js`, ['text/javascript', readFileSync(file)]]),
    ),
  };
  let tell: (found: string) => void = () => {};
  const told = new Promise<string>(resolve => {
    tell = resolve;
  });
  const server = createServer(async (request, response) => {
    const { url = '', method } = request;
    if (method === 'POST') tell((await request.toArray()).join(''));
    const [type, content] = files[url] ?? ['text/plain', ''];
    response.writeHead(url in files ? 200 : 404, { 'content-type': type }).end(content);
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const close = await BROWSERS[name].open(url, work);
  const { body, isolated } = JSON.parse(await told);
  await close();
  server.closeAllConnections();
  server.close();
  if (isolated !== 'undefined') return [`${name}: the page is isolated`];
  if (!Array.isArray(body)) return [`${name}: ${body}`];
  return ['in the page', 'in a worker'].flatMap((place, k) =>
    modules.flatMap(({ name: module, expected }, i) => {
      const apart = distance(body[k][i], JSON.parse(JSON.stringify(expected)));
      return apart < TOLERANCE ? [] : [`${name}, ${module}, ${place}: ${apart}`];
    }),
  );
}
