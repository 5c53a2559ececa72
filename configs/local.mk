# Ready configurations; installed into $(datadir)/vita with the small model beside them.

# nobase_dist_vitadata_DATA += %D%/nano.ini
