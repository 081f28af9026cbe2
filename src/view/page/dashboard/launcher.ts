/** How users call the program, as its server says it. */
export const launcher = document.documentElement.dataset.launcher ?? './run';

/** The folder of the sample configs, seen from where users call the program. */
export const configs = launcher === './run' ? 'configs' : 'node_modules/cellrun/configs';
