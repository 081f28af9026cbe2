/**
 * The import rules of src/README.md, executed by `npm run check` and by test/imports.test.ts. Data flow downwards through
 * the folders of the map; an arrow upwards is a defect. Each rule says why it is there.
 */
const only = (name, comment, allowed, target) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^(src|test)/', pathNot: allowed },
  to: { path: target },
});
const never = (name, comment, from, to) => ({ name, comment, severity: 'error', from: { path: from }, to });

/** What a browser draws, with the views of tasks. */
const PAGE = '^src/(view/(page|components)/|tasks/.*\\.tsx$)';
const inside = (...folders) => `^src/(${folders.join('|')})/`;
/** A package by name, wherever npm put it. */
const packages = (...names) => `(^|/)node_modules/(${names.map(n => n.replace(/\W/g, '\\$&')).join('|')})(/|$)`;

const { peerDependencies } = require('./package.json');
/** Development packages that the build puts into the program. */
const BUNDLED = ['@bufbuild/protobuf', '@noble/hashes', 'acorn', 'buffer', 'commander', 'fastest-levenshtein', 'fflate', 'gpu.js', 'pathe', 'picocolors', 'picomatch', 'pino', 'pure-rand', 'safe-stable-stringify', 'tinyglobby', 'yaml'];
/** Those that a user installs who needs them. */
const OPTIONAL = Object.keys(peerDependencies);

/** A folder's entries are alternatives to each other; beside them stand the interface they share and the table of them all. */
const siblings = (folder, shared) => ({
  name: `${folder}-siblings`,
  comment: `one of ${folder}/ never imports another, so that each can be read, tested and removed alone; only the table knows all`,
  severity: 'error',
  from: { path: `^src/math/${folder}/`, pathNot: `^src/math/${folder}/(index|program)\\.ts$` },
  to: { path: `^src/math/${folder}/`, pathNot: `^src/math/${folder}/${shared}\\.ts$` },
});

module.exports = {
  forbidden: [
    { name: 'no-circular', comment: 'a cycle means two files are one concept, or an arrow points upwards; gradients of ops are ops, and some are the gradient of each other', severity: 'error', from: { pathNot: '^src/math/ops/' }, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'not-resolvable', comment: 'an import of what is not there fails at run time, perhaps only in one verb', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'no-dev-packages', comment: 'what the program imports is bundled, and a development tool in the bundle would be a mistake; the bundler itself refuses what is neither bundled nor installed', severity: 'error', from: { path: '^src/', pathNot: `^src/build/|${PAGE}` }, to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: packages(...BUNDLED, ...OPTIONAL) } },

    only('gpu.js-in-engine', 'the engine alone knows how kernels run, so that everything else works on every backend; the host opens WebGPU', inside('engine', 'host'), `${packages('gpu.js', 'webgpu')}(?!package\\.json$)`),
    only('ajv-in-schema', 'every value is validated through one helper, whose errors lead through the whole schema; the build compiles the schemas', '^(src/config/schema/|src/build/|test/)', packages('ajv')),
    only('yaml-in-config', 'every YAML file is read through one helper, which words and locates the errors', '^(src/config/|test/)', packages('yaml')),
    only('pino-in-host', 'pages take another build of it; and a logger that opened its own files or threads would lose the lines that ours keep', '^(src/host/|test/)', packages('pino')),
    only('bullmq-in-launchers', 'who uses no queue does not pay for one', '^src/sweep/launchers/', packages('bullmq', 'ioredis')),
    only('commander-in-cli', 'no other part may know that it was started from a command line', inside('cli'), packages('commander', 'picocolors')),
    only('browser-packages-in-page', 'what draws in a browser is no part of the program that runs in Node', PAGE, packages('preact')),
    only('page-is-bundled', 'the page is built for browsers: to the program it is a file', `${PAGE}|^test/`, PAGE),
    only('library-is-for-programs', 'it is built from the other parts; the command line shares what both do', '^(src/(cli|library)/|src/index\\.ts$|test/)', '^src/library/'),
    only('guesses-for-the-command-line', 'what data may mean is guessed for the command line alone: nothing that trains depends on a guess', '^(src/(cli|init)/|test/)', '^src/init/'),
    only('cli-is-the-top', 'the command line uses everything and nothing uses it', '^(src/cli/|test/)', '^src/cli/'),

    { name: 'core-without-node', comment: 'pages train and predict with the same code: only the host differs (types of Node cost nothing)', severity: 'error', from: { path: '^src/(config|data|engine|math|predict|run|tasks|train|util)/', pathNot: '^src/engine/probe\\.ts$' }, to: { dependencyTypes: ['core'], dependencyTypesNot: ['type-only'] } },
    only('browser-libraries-in-host', 'a host of pages is what a page has instead of Node', '^(src/host/|test/)', packages('@noble/hashes', 'buffer', 'pathe', 'picomatch')),

    never('graph-knows-no-op', 'differentiation and compilation must not know an op by name: a new op then touches no graph code', inside('math/graph'), { path: inside('math/ops', 'math/cells', 'math/model', 'math/losses', 'math/optimizers', 'engine', 'train', 'run', 'data', 'config') }),
    never('mathematics-knows-no-machine', 'ops, cells, losses, optimizers and schedules say what is computed; where and when is decided elsewhere', inside('math/ops', 'math/cells', 'math/model', 'math/losses', 'math/optimizers', 'math/schedules'), { path: inside('engine', 'train', 'predict', 'run') }),
    never('engine-knows-no-training', 'the engine runs any graph, whatever it is for', inside('engine'), { path: inside('train', 'predict', 'run', 'config', 'data', 'math/model', 'math/cells', 'math/losses', 'math/optimizers') }),
    never('data-is-a-source', 'a dataset delivers sequences and knows nothing of what is done with them', inside('data'), { path: inside('math/graph', 'math/ops', 'math/cells', 'math/model', 'math/losses', 'math/optimizers', 'engine', 'train', 'predict', 'run') }),
    never('tasks-are-columns', 'what belongs to a task is said once; who trains, records and draws asks it', inside('tasks'), { path: inside('engine', 'config', 'run', 'train', 'predict', 'judge', 'view'), pathNot: inside('view/components') }),
    {
      name: 'tasks-siblings',
      comment: 'a task can be read, tested and removed alone; labels are read and encoded like values',
      severity: 'error',
      from: { path: '^src/tasks/([^/]+)/', pathNot: '^src/tasks/(core|labels)/' },
      to: { path: '^src/tasks/', pathNot: '^src/tasks/($1|core)/' },
    },
    never('training-does-not-predict', 'a run is trained and measured without the ways in which its model is used afterwards', inside('train'), { path: inside('predict') }),
    never('config-is-a-source', 'a config knows the components, which state their keys, and nothing of how they are used', inside('config'), { path: inside('math/graph', 'math/ops', 'engine', 'train', 'predict', 'run') }),
    never('run-writes-what-it-is-given', 'a run directory can be read and written without a graph, a device or a dataset', inside('run'), { path: inside('math/graph', 'math/ops', 'math/cells', 'math/model', 'math/losses', 'math/optimizers', 'engine', 'train', 'predict', 'data') }),
    never('guesses-read-data', 'a config is made from what data and their readers say: it is checked and trained by others', inside('init'), { path: inside('config', 'engine', 'train', 'predict', 'run', 'sweep', 'judge', 'view', 'interop', 'serve', 'library') }),
    never('readers-read-files', 'reviews and reports must work on runs from another machine and another day', '^src/(judge/|view/|interop/tensorboard)', { path: `${inside('math/graph', 'math/ops', 'math/cells', 'math/model', 'math/losses', 'math/optimizers', 'engine', 'train', 'predict', 'data')}|^src/tasks/`, pathNot: '^src/tasks/(facts|reports|[a-z]+/(facts|report)|core/(confidence|document)|views|[a-z]+/view)\\.tsx?$' }),
    never('reviews-ask-sweeps-for-results', 'a review asks what became of the trials of a sweep; how one is run is no matter of a reader', inside('judge'), { path: '^src/sweep/', pathNot: '^src/sweep/(results|trials)\\.ts$' }),
    never('page-knows-documents', 'the page draws what a document says; of the program it may know types alone, and how numbers and sounds are written', PAGE, { pathNot: `${PAGE}|^src/util/(numbers|wav)\\.ts$|${packages('preact')}`, dependencyTypesNot: ['type-only'] }),
    never('sweeps-launch-runs', 'a trial in a process of its own takes its device, its threads and its crash with it', inside('sweep'), { path: inside('train', 'predict', 'engine', 'math/graph', 'math/model'), pathNot: '^src/math/model/settings\\.ts$' }),
    siblings('cells', 'cell'),
    siblings('losses', 'loss'),
    siblings('optimizers', '(optimizer|parts)'),
    siblings('schedules', 'schedule'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
