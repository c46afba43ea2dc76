// A WebDAV server that serves a folder: PORT FOLDER
const { WebDAVServer, PhysicalFileSystem } = require('webdav-server').v2;
const [port, folder] = process.argv.slice(1);
const server = new WebDAVServer({ port: Number(port), hostname: '127.0.0.1' });
server.setFileSystem('/', new PhysicalFileSystem(folder), () => server.start());
