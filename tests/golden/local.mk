# Data that tests compare with; README.md says where it comes from.

EXTRA_DIST += %D%/README.md %D%/llm %D%/mel-vq %D%/sensevoice %D%/text-tokenizer %D%/tokenizer %D%/audio %D%/decoder
