/** Style sheets are bundled into `page.css`. */
declare module '*.css';
