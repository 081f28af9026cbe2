/**
 * The last step of the build: compiles the schemas, then bundles script and style sheet of reports
 * and the dashboard, and the program and its libraries into `dist/bundle`. These few files load
 * faster than hundreds of modules and need only the packages in `dependencies`. The
 * package that users install contains only these files. gpu.js must be bundled: npm ignores the
 * `overrides` of a dependency, so users would get its `gl`, which has to be compiled, and a
 * `webgpu` that it crashes on.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import type { Parts } from '../interop/js/runtime.js';
import { RUN_SCHEMAS } from '../run/schemas.js';
import { type ProgramFile, packageRoot, validatorFile } from '../util/root.js';
import { writeValidators } from './validators.js';

/** Files that are started by path or imported by users. Each keeps its path below `src`. */
const ENTRIES = [
  'cli/main.js',
  'data/audio/worker.js',
  'engine/probe.js',
  'serve/worker.js',
  'train/worker.js',
  'index.js',
] as const satisfies readonly (ProgramFile | 'index.js')[];

/** Runtimes of modules, each with its parts (`interop/js/parts.ts`) and what it decodes. */
const FORMS: Readonly<Record<string, readonly (keyof Parts | 'ctc' | 'decoder')[]>> = {
  symbols: ['columns', 'generate', 'session'],
  plain: ['session'],
  'plain-ctc': ['session', 'ctc'],
  'plain-decoder': ['decoder'],
  series: ['series'],
  recordings: ['recordings', 'session'],
  'recordings-ctc': ['recordings', 'session', 'ctc'],
  'recordings-decoder': ['recordings', 'decoder'],
  columns: ['columns', 'session'],
  'columns-ctc': ['columns', 'session', 'ctc'],
  'columns-decoder': ['columns', 'decoder'],
};

/** Outputs of the build that are read at run time. */
const ASSETS = [
  'config/validators',
  'view/page.js',
  'view/page.css',
  ...Object.keys(FORMS).map(form => `interop/js/module-${form}.js`),
  'view/predict.js',
  'view/train.js',
  'web/trainer.js',
  'interop/js/module-served.js',
  'interop/js/module-together.js',
  'interop/js/module.d.ts',
];

const compiled = join(packageRoot, 'dist', 'src');
const bundle = join(packageRoot, 'dist', 'bundle');

interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const { dependencies = {}, peerDependencies = {} } = packageFileIn(packageRoot);
const external = Object.keys({ ...dependencies, ...peerDependencies });

/** `text` of `file` without `part`. If it has none, the build fails. */
function textWithout(text: string, part: string | RegExp, file: string): string {
  const left = text.replace(part, '');
  if (left === text) throw new Error(`${file} has no ${part}, which the bundle leaves out`);
  return left;
}

/**
 * `host/node.ts` loads packages on first use with a `require` from `createRequire`. The bundler
 * follows only a `require` that the module does not declare, so this removes the declaration.
 */
const lazyRequire: Plugin = {
  name: 'lazy-require',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]host[\\/]node\.ts$/ }, ({ path }) => ({
      contents: textWithout(
        readFileSync(path, 'utf8'),
        'const require = createRequire(import.meta.url);',
        path,
      ),
      loader: 'ts',
    }));
  },
};

/** gpu.js asks for `gl`, which has to be compiled; without it, it uses its other backends. */
const withoutGl: Plugin = {
  name: 'without-gl',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^gl$/ }, () => ({ path: 'gl', namespace: 'empty' }));
    onLoad({ filter: /^gl$/, namespace: 'empty' }, () => ({ contents: '' }));
  },
};

/** Options that all bundles share. */
const SHARED = {
  absWorkingDir: packageRoot,
  bundle: true,
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
} as const;

const validators = await writeValidators();

await build({
  ...SHARED,
  entryPoints: {
    page: join('src', 'view', 'page', 'main.tsx'),
    predict: join('src', 'view', 'page', 'predict.tsx'),
    train: join('src', 'view', 'page', 'train.tsx'),
  },
  outdir: join(compiled, 'view'),
  tsconfig: join('src', 'view', 'page', 'tsconfig.json'),
  minify: true,
  format: 'iife',
  target: ['es2022', 'safari16'],
  // each report contains the library with its licence
  banner: { js: noticeOf('preact') },
});

/** What the exported module does not use of a file is left out, even if that needs a host. */
const withoutSideEffects: Plugin = {
  name: 'without-side-effects',
  setup({ onLoad, onResolve, resolve }) {
    onResolve({ filter: /./ }, async ({ path, pluginData, kind, ...from }) => {
      if (pluginData === withoutSideEffects || kind === 'entry-point') return undefined;
      if (isBuiltin(path)) return { path, namespace: 'empty', sideEffects: false };
      const found = await resolve(path, { ...from, kind, pluginData: withoutSideEffects });
      if (/[\\/]src[\\/]host[\\/]index\.ts$/.test(found.path))
        return { path: 'host', namespace: 'empty', sideEffects: false };
      return { ...found, sideEffects: false };
    });
    onLoad({ filter: /./, namespace: 'empty' }, () => ({ contents: '' }));
  },
};

const sources = join(packageRoot, 'src');

/** What only makes programs: a module has linked ones. A slash ends the name of a folder. */
const MAKERS = ['math/ops/', 'engine/machine-code.ts', 'math/model/programs.ts'];

/** What only some modules decode. */
const DECODERS = {
  ctc: ['math/losses/ctc.ts', 'math/decoding/ctc.ts'],
  decoder: ['math/decoding/decoder.ts'],
} as const;

/** Calls of its functions do nothing, and are left out with the descriptions of keys. */
const SCHEMA = 'util/schema.ts';

/** The source of a file with its functions, which do nothing. */
async function emptied(
  path: string,
  body: string,
): Promise<{ readonly contents: string; readonly loader: 'js' }> {
  const { metafile } = await build({
    ...SHARED,
    entryPoints: [path],
    write: false,
    outdir: compiled,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    metafile: true,
  });
  const names = Object.values(metafile.outputs).flatMap(({ exports }) => exports);
  const contents = names.map(name => `export function ${name}() {${body}}\n`).join('');
  return { contents, loader: 'js' };
}

const LEFT_OUT = "throw new Error('left out');";

/** What has not been left out of any module so far. */
const unseen = new Set<string>([...MAKERS, ...Object.values(DECODERS).flat(), SCHEMA]);

/** Leaves out the content of some files. */
function without(left: readonly string[]): Plugin {
  return {
    name: 'without',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
        const name = relative(sources, path).split(sep).join('/');
        const entry = left.find(kept => (kept.endsWith('/') ? name.startsWith(kept) : name === kept));
        if (entry === undefined) return undefined;
        unseen.delete(entry);
        return emptied(path, name === SCHEMA ? '' : LEFT_OUT);
      });
    },
  };
}

/** An entry point of a bundle for browsers that only exports. */
const moduleFolder = join(compiled, 'interop', 'js');
const moduleOptions = {
  ...SHARED,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: 'es2022',
  // no warnings about the code that is left out
  logLevel: 'error',
} as const;

for (const [form, abilities] of Object.entries(FORMS)) {
  const parts = abilities.filter(ability => !(ability in DECODERS)).join(', ');
  const decoders = Object.entries(DECODERS).flatMap(([name, files]) =>
    abilities.some(ability => ability === name) ? [] : files,
  );
  await build({
    ...moduleOptions,
    stdin: {
      // in JavaScript, an import of a part that does not exist is an error
      contents: `import { opener } from './runtime.ts';
        ${parts && `import { ${parts} } from './parts.ts';`}
        export const open = opener({ ${parts} });`,
      loader: 'js',
      resolveDir: join(sources, 'interop', 'js'),
      sourcefile: `${form}.js`,
    },
    outfile: join(moduleFolder, `module-${form}.js`),
    globalName: 'cellrun',
    plugins: [withoutSideEffects, without([...MAKERS, ...decoders, SCHEMA])],
    banner: { js: ['fflate', 'pure-rand'].map(noticeOf).join('\n') },
  });
}
for (const file of ['served', 'together'])
  await build({
    ...moduleOptions,
    outdir: moduleFolder,
    entryPoints: { [`module-${file}`]: join(sources, 'interop', 'js', `${file}.ts`) },
    globalName: file,
    plugins: [withoutSideEffects, without([...MAKERS, ...Object.values(DECODERS).flat(), SCHEMA])],
  });
if (unseen.size > 0)
  throw new Error(`these files are in no module, so they cannot be left out: ${[...unseen].join(', ')}`);

writeFileSync(join(moduleFolder, 'module.d.ts'), moduleDeclarations());

/** Libraries that a page does without: Dawn is the browser's own. */
const NOT_IN_PAGES = /^(?:webgpu|fs-native-extensions|tinyglobby)$/;

/**
 * What a page has of gpu.js: it parses kernels and infers their types (51 kB of gzip, most of it
 * acorn). With its `GPU`, and so with all its backends, it would be 154 kB. Kernels are not linked
 * ahead instead, since a page trains configs that its user edits.
 */
const GPU_FRONT_END = ['backend/function-builder', 'backend/function-node', 'backend/kernel', 'input']
  .map(file => `...require('gpu.js/src/${file}')`)
  .join();

/** What `loadModule` is in a page, which contains the validators of all files that it checks. */
function loadModule(): string {
  const { 'log-event': _, ...checked } = RUN_SCHEMAS;
  const modules = Object.keys(checked).map(
    name => `'${name}.cjs': () => require(${JSON.stringify(validatorFile(name))})`,
  );
  return `const modules = { ${modules} };\nexport const loadModule = path => modules[path.split('/').pop()]();\n`;
}

/** Puts the browser as a host in the place of Node. */
const browserHost: Plugin = {
  name: 'browser-host',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: NOT_IN_PAGES }, ({ path }) => ({ path, namespace: 'empty' }));
    onLoad({ filter: /./, namespace: 'empty' }, () => ({ contents: '' }));
    onResolve({ filter: /^gpu\.js$/ }, ({ path }) => ({ path, namespace: 'front-end' }));
    onLoad({ filter: /./, namespace: 'front-end' }, () => ({
      contents: `module.exports = { ${GPU_FRONT_END} };`,
      resolveDir: packageRoot,
    }));
    onLoad({ filter: /[\\/]src[\\/]engine[\\/]machine-[^\\/]*\.ts$/ }, ({ path }) => emptied(path, LEFT_OUT));
    onLoad({ filter: /[\\/]src[\\/]host[\\/]index\.ts$/ }, () => ({
      contents: `export * from './browser.js';\n${loadModule()}`,
      loader: 'ts',
      resolveDir: join(packageRoot, 'src', 'host'),
    }));
  },
};

const trainer = await build({
  ...SHARED,
  entryPoints: { trainer: join('src', 'web', 'trainer.ts') },
  outdir: join(compiled, 'web'),
  write: false,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: 'es2022',
  // a server may name another charset
  charset: 'ascii',
  define: { 'import.meta.url': "''" },
  inject: [join('src', 'host', 'browser', 'globals.ts')],
  plugins: [browserHost],
  metafile: true,
});
mkdirSync(join(compiled, 'web'), { recursive: true });
// a page that was opened from a file starts a thread only from a text that it has
writeFileSync(
  join(compiled, 'web', 'trainer.js'),
  `${licences({ ...trainer.metafile.inputs, ...validators }).replace(/^/gm, '// ')}\nglobalThis.cellrunTrainer = ${JSON.stringify(trainer.outputFiles[0].text)};\n`,
);

rmSync(bundle, { recursive: true, force: true });
const { metafile } = await build({
  ...SHARED,
  entryPoints: ENTRIES.map(file => join('src', file.replace(/\.js$/, '.ts'))),
  outbase: 'src',
  outdir: bundle,
  chunkNames: 'chunks/[name]-[hash]',
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external,
  plugins: [lazyRequire, withoutGl],
  // for CommonJS libraries, and for files loaded by path at run time
  banner: {
    js: "import { createRequire as createBundleRequire } from 'node:module';\nconst require = createBundleRequire(import.meta.url);",
  },
  metafile: true,
});

refuseUndeclared(metafile);
for (const asset of ASSETS)
  if (existsSync(join(compiled, asset)))
    cpSync(join(compiled, asset), join(bundle, asset), { recursive: true });
copyDeclarations('index.d.ts');
writeFileSync(join(bundle, 'LICENSES.txt'), licences({ ...metafile.inputs, ...validators }));

/** The types of an exported module, which needs no other file; its exporter adds those of data. */
function moduleDeclarations(): string {
  const types = {
    'util/errors': ['Diagnostic'],
    'predict/predictions': [
      ...['PredictionPlace', 'RankedClass', 'ClassPrediction', 'ValuePrediction', 'SymbolList'],
      ...['RankedSequence', 'SymbolsPrediction', 'SequencePrediction'],
    ],
    'predict/steps': ['ColumnValue', 'Samples'],
    'predict/session': ['Session', 'SessionOptions'],
    'predict/generate': ['GenerateOptions'],
    'interop/js/runtime': ['ExportedModel'],
  };
  const found = Object.entries(types).flatMap(([file, names]) => {
    const text = readFileSync(join(compiled, `${file}.d.ts`), 'utf8');
    // a declaration ends at the next one or its comment
    const all = text.split(/^(?=\/\*\*|export |type |interface )/m);
    return names.map(name => {
      const at = all.findIndex(statement =>
        new RegExp(`^(export )?(type|interface) ${name}\\b`).test(statement),
      );
      if (at < 0) throw new Error(`${file} does not declare ${name}`);
      const isComment = /^\/\*\*.*\*\/\s*$/s.test(all[at - 1]);
      return `${isComment ? all[at - 1] : ''}${all[at].replace(/^(?!export )/, 'export ')}`;
    });
  });
  const functions = ['predict', 'predictMany', 'transcribe', 'session', 'generate'];
  const declared = functions.map(name => `export declare const ${name}: ExportedModel['${name}'];\n`);
  // explanations need the data of the run
  const explanation = /\n *\/\*\*[^\n]*\n *readonly explanation\?: [^\n]*/;
  return textWithout([...found, ...declared].join(''), explanation, 'interop/js/runtime.d.ts');
}

/** The licence of a package, for files that contain it. */
function noticeOf(name: string): string {
  return `/*\n${name}\n${licenceIn(join(packageRoot, 'node_modules', name), name)}*/`;
}

/** Throws if the bundle imports a package that is not installed with it. */
function refuseUndeclared({ outputs }: Metafile): void {
  for (const { imports } of Object.values(outputs))
    for (const { path, external: isExternal = false } of imports)
      if (
        isExternal &&
        !isBuiltin(path) &&
        !external.some(name => path === name || path.startsWith(`${name}/`))
      )
        throw new Error(`the bundle imports ${path}, which is neither in it nor in package.json`);
}

/** Copies a declaration file and its imports. These must not import packages. */
function copyDeclarations(file: string, copied = new Set<string>()): void {
  if (copied.has(file)) return;
  copied.add(file);
  const text = readFileSync(join(compiled, file), 'utf8');
  const target = join(bundle, 'types', file);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text.replace(/^\/\/# sourceMappingURL=.*$/m, ''));
  for (const [, , module] of text.matchAll(/(?:\bfrom |\bimport\(|^import )(['"])([^'"\n]+)\1/gm)) {
    if (module.startsWith('.'))
      copyDeclarations(join(dirname(file), module).replace(/\.js$/, '.d.ts'), copied);
    else if (!isBuiltin(module)) throw new Error(`${file} has types of ${module}, which users do not have`);
  }
}

/** The licences of all bundled packages, which must be distributed with them. */
function licences(inputs: Metafile['inputs']): string {
  const folders = new Set(
    Object.keys(inputs).flatMap(input => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []),
  );
  const notices = [...folders].sort().map(folder => {
    const { name, version, license } = packageFileIn(join(packageRoot, folder));
    if (license === undefined) throw new Error(`${name} names no licence`);
    return `${name} ${version} (${license})\n\n${licenceIn(join(packageRoot, folder), name)}`;
  });
  return `This package contains the following packages.\n\n${notices.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

/** The text of a package's licence, from the package or, if it has none, from `licences`. */
function licenceIn(folder: string, name: string): string {
  const licence = readdirSync(folder).find(file => /^licen[cs]e/i.test(file));
  const file =
    licence === undefined
      ? join(packageRoot, 'src', 'build', 'licences', `${name}.txt`)
      : join(folder, licence);
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (text === '') throw new Error(`${name} has no text of its licence: write it into ${file}`);
  return `${text}\n`;
}

function packageFileIn(folder: string): PackageFile {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageFile;
}
