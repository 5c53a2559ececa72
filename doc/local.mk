# Documentation for people (dist_doc_DATA) and man pages (dist_man_MANS).

dist_doc_DATA += README.md NEWS PACKAGERS.md %D%/architecture.md %D%/benchmarks.md %D%/dependencies.md %D%/formats.md %D%/licences.md %D%/modules.md %D%/nano.md %D%/nano-probe.svg %D%/training-data.md

dist_man_MANS += %D%/man/vita.1 %D%/man/vita.ini.5
